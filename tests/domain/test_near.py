from __future__ import annotations

from domain.near import meant, nearest


def test_the_nearest_known_word_is_offered_whatever_its_case() -> None:
    assert nearest("cuont", ["count", "sum"]) == "count"
    assert nearest("NOTNUL", ["notNull", "null"]) == "notNull"
    assert meant("citty", ["city", "gender"]) == "did you mean `city`?"


def test_nothing_is_offered_where_nothing_is_like_it() -> None:
    assert nearest("zebra", ["count", "sum"]) == meant("zebra", []) == ""
