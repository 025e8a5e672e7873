"""The map of bounded size: which entries it keeps."""

import pytest

from infra.stores.lru import LruMap


def test_the_least_recently_used_entry_is_dropped():
    kept = LruMap(2)
    kept.put("a", 1)
    kept.put("b", 2)
    kept.touch("a")
    kept.put("c", 3)
    assert list(kept.items()) == [("a", 1), ("c", 3)]


def test_an_entry_that_is_stored_again_is_the_newest():
    kept = LruMap(2)
    kept.put("a", 1)
    kept.put("b", 2)
    kept.put("a", 3)
    kept.put("c", 4)
    assert dict(kept) == {"a": 3, "c": 4}


def test_plain_assignment_drops_nothing_until_entries_are_evicted():
    kept = LruMap(1)
    kept["a"] = 1
    kept["b"] = 2
    assert len(kept) == 2
    kept.evict()
    assert dict(kept) == {"b": 2}


def test_an_entry_that_is_not_there_cannot_be_touched():
    with pytest.raises(KeyError):
        LruMap(1).touch("a")
