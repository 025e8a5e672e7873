"""Fixtures that every part of the suite may ask for."""

pytest_plugins = ("tests.support.stack", "tests.support.forge", "tests.support.cluster")
