import unittest

from inventory import Item, NotEnough, Stock

TEA = Item("tea", price_cents=350)
CUP = Item("cup", price_cents=800)


class StockTest(unittest.TestCase):
    def setUp(self):
        self.stock = Stock()

    def test_a_new_stock_is_empty(self):
        self.assertEqual(self.stock.quantity("tea"), 0)
        self.assertEqual(self.stock.value_cents(), 0)

    def test_what_is_added_is_counted(self):
        self.stock.add(TEA, quantity=3)
        self.stock.add(TEA)
        self.assertEqual(self.stock.quantity("tea"), 4)

    def test_what_is_removed_is_gone(self):
        self.stock.add(TEA, quantity=3)
        self.stock.remove("tea", quantity=2)
        self.assertEqual(self.stock.quantity("tea"), 1)

    def test_more_than_there_is_cannot_be_removed(self):
        self.stock.add(TEA)
        with self.assertRaises(NotEnough):
            self.stock.remove("tea", quantity=2)
        self.assertEqual(self.stock.quantity("tea"), 1)

    def test_nothing_cannot_be_added(self):
        with self.assertRaises(ValueError):
            self.stock.add(TEA, quantity=0)

    def test_the_value_is_price_times_quantity(self):
        self.stock.add(TEA, quantity=2)
        self.stock.add(CUP)
        self.assertEqual(self.stock.value_cents(), 1500)

    def test_the_newest_price_counts(self):
        self.stock.add(TEA)
        self.stock.add(Item("tea", price_cents=400))
        self.assertEqual(self.stock.value_cents(), 800)


if __name__ == "__main__":
    unittest.main()
