"""The words of a greeting, by the time of day they are used."""

GREETINGS = {
    "morning": "Good morning",
    "afternoon": "Good afternoon",
    "evening": "Good evening",
}
STRANGER = "stranger"
