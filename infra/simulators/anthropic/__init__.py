"""The rehearsal model: a strict Messages API server that plays scripts instead of thinking.

It refuses what the real API refuses (request, rules, signature), bills what it says (tokens, cache,
ledger), and answers from scripts that react to what the tools really returned (script,
conversation, engine). Start it with `python -m infra.simulators.anthropic`;
see main for its settings.
"""
