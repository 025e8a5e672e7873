"""Push notifications: which event is worth one, to whose devices, and how it gets there.

`notice` and `verdict` decide, `following` reads the log, `sending` delivers; `web`, `apns` and
`fcm` speak to the push services. A push is a hint: it carries ids and a title, and the device then
asks the gateway what happened. Sources: gateway.md §6, realtime.md §6.
"""
