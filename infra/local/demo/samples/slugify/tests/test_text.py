import unittest

from slugify import shorten, slugify


class SlugifyTest(unittest.TestCase):
    def test_words_are_joined_by_hyphens(self):
        self.assertEqual(slugify("Hello, World"), "hello-world")

    def test_accents_are_dropped(self):
        self.assertEqual(slugify("Crème brûlée, twice!"), "creme-brulee-twice")

    def test_runs_of_other_characters_become_one_hyphen(self):
        self.assertEqual(slugify("a  --  b"), "a-b")

    def test_hyphens_at_the_ends_are_dropped(self):
        self.assertEqual(slugify("  (draft) "), "draft")

    def test_text_without_words_gives_an_empty_slug(self):
        self.assertEqual(slugify("!?"), "")


class ShortenTest(unittest.TestCase):
    def test_a_short_slug_stays_as_it_is(self):
        self.assertEqual(shorten("hello-world", 20), "hello-world")

    def test_a_long_slug_ends_with_a_whole_word(self):
        self.assertEqual(slugify("The quick brown fox", max_length=12), "the-quick")

    def test_a_slug_that_ends_exactly_at_the_limit_is_kept(self):
        self.assertEqual(shorten("the-quick", 9), "the-quick")

    def test_a_first_word_that_is_too_long_is_cut(self):
        self.assertEqual(shorten("internationalization", 13), "international")


if __name__ == "__main__":
    unittest.main()
