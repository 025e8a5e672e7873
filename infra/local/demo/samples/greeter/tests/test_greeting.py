import unittest

from greeter import greet
from greeter.greeting import part_of_day


class GreetTest(unittest.TestCase):
    def test_the_morning_starts_at_five(self):
        self.assertEqual(greet("Ada", hour=5), "Good morning, Ada!")

    def test_noon_is_afternoon(self):
        self.assertEqual(greet("Ada", hour=12), "Good afternoon, Ada!")

    def test_night_belongs_to_the_evening(self):
        self.assertEqual(greet("Ada", hour=23), "Good evening, Ada!")
        self.assertEqual(greet("Ada", hour=2), "Good evening, Ada!")

    def test_someone_without_a_name_is_a_stranger(self):
        self.assertEqual(greet("  ", hour=9), "Good morning, stranger!")

    def test_an_hour_outside_the_day_is_refused(self):
        with self.assertRaises(ValueError):
            part_of_day(24)


if __name__ == "__main__":
    unittest.main()
