"""The `errand` command: a client like any phone, over the same public API.

`commands` are what a person types, `gateway` the HTTP client and sign-in, `stream` the WebSocket
client and the outbox, `protocol` its frames and rules, `repository` git and the local forge, `view`
turns events and tasks into text, `terminal` prints, prompts and replays. `extensions` finds the
commands of operators.
"""
