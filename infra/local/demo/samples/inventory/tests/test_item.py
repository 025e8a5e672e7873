import unittest

from inventory import Item


class ItemTest(unittest.TestCase):
    def test_an_item_has_a_name_and_a_price(self):
        self.assertEqual(Item("tea", price_cents=350).price_cents, 350)

    def test_a_nameless_item_is_refused(self):
        with self.assertRaises(ValueError):
            Item("", price_cents=1)

    def test_a_negative_price_is_refused(self):
        with self.assertRaises(ValueError):
            Item("tea", price_cents=-1)


if __name__ == "__main__":
    unittest.main()
