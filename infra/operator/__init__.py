"""Operations on the log as a whole: dead letters, archive and restore, erasure.

Each is a command of `errand`, found through the entry points `errand.commands` (pyproject.toml).
"""
