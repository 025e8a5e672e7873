"""The `errand` command: a client like any phone, over the same public API.

From top to bottom, each using only what is below it:

- `command_group`: the root command; `extensions` finds the commands of operators.
- `commands`: what a person types, one module per command or two.
- `terminal`: prints, prompts and replays; `context`: what every command is given.
- `stream`: the WebSocket client and the outbox; `repository`: git and the local forge.
- `gateway`: the HTTP client and sign-in; `local_stacks`: stacks that run on this machine.
- `protocol`: frames and reconnecting, as pure rules; `view`: events and tasks as text, pure too.

The shapes of frames and answers are those of `events.protocol`.
"""
