"""Puts a greeting together."""

from greeter.words import GREETINGS, STRANGER


def part_of_day(hour):
    """Return "morning", "afternoon" or "evening" for an hour from 0 to 23."""
    if not 0 <= hour <= 23:
        raise ValueError("an hour is from 0 to 23")
    if 5 <= hour < 12:
        return "morning"
    return "afternoon" if 12 <= hour < 18 else "evening"


def greet(name, hour):
    """Return the greeting for `name` at `hour`; someone without a name is a stranger."""
    return f"{GREETINGS[part_of_day(hour)]}, {name.strip() or STRANGER}!"
