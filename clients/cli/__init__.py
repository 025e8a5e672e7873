"""The `errand` command: a client like any phone, over the same public API.

`commands` are what a person types, `gateway` speaks HTTP, `stream` the WebSocket, `screen` turns
events into lines, `sign_in` finds the gateway and who is asking, `checkout` lends a local
repository to a forge, `doctor` looks at the machine. `looking_back` are the commands that read a
history (`history`, `past`, `edits`) or play it again (`player`, `playing`); `extensions` finds the
operator's commands, which are not of this room.
"""
