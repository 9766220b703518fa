"""The programme: a slip of the pen is named when it is read, not when a run fails on it."""

from __future__ import annotations

import pytest

from domain import definitions
from schemas.errors import ConfigError
from schemas.programme import Programme

GOOD = "name: test\nzone: Asia/Shanghai\ncut_hours: 3\ncurrency: CNY\nregion: CN\n"


def test_a_whole_programme_is_read() -> None:
    read = definitions.parse(GOOD, "programme.yml", Programme)
    assert read == Programme("test", "Asia/Shanghai", 3, "CNY", "CN")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Asia/Shanghai", "Asia/Shanghay", "zone: an IANA name such as Asia/Shanghai"),
        ("Asia/Shanghai", "Asia", "zone: an IANA name such as Asia/Shanghai"),
        ("Asia/Shanghai", "''", "zone: an IANA name such as Asia/Shanghai"),
        ("CNY", "cny", "currency: 3 capital letters such as CNY"),
        ("CNY", "CN¥", "currency: 3 capital letters such as CNY"),
        ("region: CN", "region: CHN", "region: 2 capital letters such as CN"),
        ("cut_hours: 3", "cut_hours: 25", "cut_hours: 0 to 24"),
        ("cut_hours: 3", "cut_hours: -1", "cut_hours: 0 to 24"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"expected: {expected}(.|\n)*programme.yml:1"):
        definitions.parse(GOOD.replace(old, new), "programme.yml", Programme)
