"""The stream: one connection a device, every task it watches on it.

`redis_reader` hears what the projector tells, `feed` holds a task's newest events for all who watch
it, `hub` keeps the feeds true, `session` speaks protocol v1 with one device, `endpoint` is the ASGI
callable. The protocol is in docs/reference/protocol.md.
"""
