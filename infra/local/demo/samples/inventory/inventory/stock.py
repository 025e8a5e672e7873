"""How many of each item there are."""


class NotEnough(Exception):
    """More was asked for than is there."""


class Stock:
    """Items by name, each with its quantity."""

    def __init__(self):
        self._items = {}
        self._quantities = {}

    def add(self, item, quantity=1):
        """Put `quantity` more of `item` on the shelf; its newest price counts."""
        if quantity < 1:
            raise ValueError("add at least one")
        self._items[item.name] = item
        self._quantities[item.name] = self.quantity(item.name) + quantity

    def remove(self, name, quantity=1):
        """Take `quantity` of the item called `name`; raises NotEnough and takes none."""
        if quantity < 1:
            raise ValueError("remove at least one")
        if quantity > self.quantity(name):
            raise NotEnough(f"{name}: {quantity} wanted, {self.quantity(name)} there")
        self._quantities[name] -= quantity

    def quantity(self, name):
        """Return how many of the item called `name` there are; an unknown one counts 0."""
        return self._quantities.get(name, 0)

    def value_cents(self):
        """Return what everything on the shelf is worth together."""
        return sum(
            item.price_cents * self._quantities[name] for name, item in self._items.items()
        )
