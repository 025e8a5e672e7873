"""Commands carried out: read the history, decide, append; and what a command brings along."""
