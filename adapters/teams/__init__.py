"""Microsoft Teams: what people do there becomes calls of `bot.reception`; what Echelon says becomes Adaptive Cards.

line         all of it put together, for the composition root
inbound      guard (raw HTTP bytes, tokens by keys) → botbuilder (the SDK's turn) → payloads (activities → plain values)
             → activities → Reception → answers (an invoke's JSON, or a message back to one person)
outbound     gateway (`bot.delivery.Chat`) → throttle → connector (the REST API, by credentials)
looks        render (cards), dialogs (forms), marks, text: pure
references   where people and channels are reached, kept from what Teams sends
refusals     the table of what the Connector's errors mean
people       who somebody is; roll asks for the names that the directory mentions
checks       what `check --live` says about the registration and every address
botbuilder   the only module that imports Microsoft's SDK
"""
