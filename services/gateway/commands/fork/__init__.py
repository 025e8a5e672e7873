"""Forks: new tasks that begin from another task as it was at a version."""
