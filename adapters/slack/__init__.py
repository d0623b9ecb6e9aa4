"""Slack: what people do there becomes calls of `bot.reception`; what Echelon says becomes Block Kit.

line      all of it put together, for the composition root
inbound   guard (raw HTTP bytes) or sockets → connection (Bolt) → payloads (bodies → plain values) → listeners → Reception
          → answers (back to one person)
outbound  gateway (`bot.delivery.Chat` over the Web API) → render, views, marks, text (pure)
refusals  the table of what Slack's errors mean
people    who somebody is and who is in a group or a channel
checks    what `check --live` says about tokens, scopes and addresses; manifest.yaml is the app, ready to paste
"""
