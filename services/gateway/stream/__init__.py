"""The stream: one connection per device, with every task it watches.

`redis_reader` receives what the projector publishes, `feed` holds a task's newest events for all
who watch it, `hub` keeps the feeds complete, `session` speaks protocol v1 with one device,
`endpoint` is the ASGI callable. The protocol is in docs/reference/protocol.md.
"""
