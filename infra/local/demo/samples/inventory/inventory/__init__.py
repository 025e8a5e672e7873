"""What is on the shelf, and what it is worth."""

from inventory.item import Item
from inventory.stock import NotEnough, Stock

__all__ = ["Item", "NotEnough", "Stock"]
