"""The `errand` command: a client like any phone, over the same public API.

`commands` are what a person types, `gateway` speaks HTTP, `stream` the WebSocket, `screen` turns
events into lines, `sign_in` finds the gateway and who is asking, `checkout` lends a local
repository to a forge, `doctor` looks at the machine.
"""
