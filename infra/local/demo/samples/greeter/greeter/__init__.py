"""Greets people by the time of day."""

from greeter.greeting import greet

__all__ = ["greet"]
