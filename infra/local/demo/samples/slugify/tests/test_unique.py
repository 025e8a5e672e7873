import unittest

from slugify import unique


class UniqueTest(unittest.TestCase):
    def test_a_free_slug_is_used_as_it_is(self):
        self.assertEqual(unique("hello", {"world"}), "hello")

    def test_a_taken_slug_gets_a_number(self):
        self.assertEqual(unique("hello", {"hello"}), "hello-2")

    def test_taken_numbers_are_skipped(self):
        self.assertEqual(unique("hello", {"hello", "hello-2", "hello-3"}), "hello-4")

    def test_the_number_counts_towards_the_length(self):
        self.assertEqual(unique("hello-big-world", {"hello-big-world"}, max_length=15), "hello-big-2")


if __name__ == "__main__":
    unittest.main()
