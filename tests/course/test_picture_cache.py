"""Which settings are the same picture, and which pictures are kept."""

from datetime import date

import pytest
from torch import nn

from landscape_nb.course.picture_cache import PictureCache, setting_key


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.3, 3 * 0.1), ("a", "a"), (None, None), ((1, 0.3), (1, 3 * 0.1)), (date(2020, 1, 1), date(2020, 1, 1))],
)
def test_the_same_setting_has_the_same_key(one, other):
    assert setting_key({"x": one}) == setting_key({"x": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.3, 0.300001), (1, "1"), (1, True), ("None", None), ([1, 2], (1, 2)), (nn.ReLU(), nn.ReLU())],
    ids=["numbers", "a text", "a truth value", "None", "a list", "networks with one text"],
)
def test_other_settings_have_other_keys(one, other):
    assert setting_key({"x": one}) != setting_key({"x": other})
    assert setting_key({"x": one}) != setting_key({"y": one})


def test_an_object_is_its_own_key_as_long_as_the_key_lives():
    network = nn.ReLU()
    assert setting_key({"x": network}) == setting_key({"x": network})
    held = setting_key({"x": nn.ReLU()})
    assert all(setting_key({"x": nn.ReLU()}) != held for _ in range(100))


def test_the_least_recently_used_pictures_go_first():
    cache = PictureCache(most=10)
    keys = [setting_key({"x": n}) for n in range(4)]
    for key in keys[:2]:
        cache.keep(key, b"12345")
    assert cache.get(keys[0]) == b"12345"
    cache.keep(keys[2], b"12345")
    assert [cache.get(key) is None for key in keys] == [False, True, False, True]
    cache.keep(keys[3], b"larger than all")
    assert [cache.get(key) for key in keys] == [None] * 4
    assert cache.bytes == 0
