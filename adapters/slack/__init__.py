"""Slack: what people do there becomes calls of `bot.reception`; what Echelon says becomes Block Kit.

inbound   guard (raw HTTP bytes) or a socket → connection (Bolt) → payloads (bodies → plain values) → listeners → Reception
outbound  gateway (`bot.delivery.Chat` over the Web API) → render, views, text (pure); refusals: what Slack's errors mean
people    who somebody is and who is in a group or a channel
checks    what `check --live` says about tokens, scopes and addresses; manifest.yaml is the app, ready to paste
"""
