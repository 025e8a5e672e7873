"""Push notifications: which event deserves one, for which devices, and its delivery.

`notification` decides, `log_follower` reads the log, `sender` delivers; the clients of the push
services are in `providers`. A push is a hint: it carries ids and a title, and the device then
asks the gateway what happened.
"""
