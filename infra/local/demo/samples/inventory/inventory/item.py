"""One thing that can be sold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """A name, unique in a stock, and a price in whole cents."""

    name: str
    price_cents: int

    def __post_init__(self):
        if not self.name:
            raise ValueError("an item needs a name")
        if self.price_cents < 0:
            raise ValueError("a price cannot be negative")
