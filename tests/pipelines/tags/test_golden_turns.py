"""What is made of a tag at its borders: conditions, bands, scores, stages, ratios, and the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from lake.draft import Draft
from lake.store import open_lake
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas.errors import ConfigError
from schemas.rules import OF_TEXTS, Operator
from schemas.tag_definitions import TagFile
from tests import tiny
from tests.pipelines.tags.golden import NOBODY, Case, Golden, Values
from tests.tiny import DAY, at, tag

NUMBERED: dict[str, Any] = {"from_": "events", "measure": "last", "window": "ever",
                            "as": "integer"}
SAID = NUMBERED | {"as": "text", "type": "text"}
BOOLEAN, TEXT, NUMBER = {"type": "boolean"}, {"type": "text"}, {"type": "number"}
OPERATORS: dict[str, Any] = {
    "=": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "in": [5, 7], "notIn": [5, 7],
    "between": [5, 7], "notBetween": [5, 7], "null": None, "notNull": None,
}
WORDS = {
    "=": "is", "!=": "is_not", "<": "below", "<=": "to", ">": "over", ">=": "from_",
    "in": "among", "notIn": "not_among", "between": "inside", "notBetween": "outside",
    "null": "unknown", "notNull": "known",
}
ABOVE, UNKNOWN_OR_BELOW = {"field": "n", "operator": ">", "value": 5}, "null"


def leaf(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({} if value is None else {"value": value})


def group(how: str, *rules: dict[str, Any], turned: bool = False) -> dict[str, Any]:
    return {"combinator": how, "rules": list(rules)} | ({"not": True} if turned else {})


def scored(name: str, field: str, bands: int, **more: Any) -> list[Any]:
    """A score among those who have the field, which no other case has."""
    return [
        tag(f"{name}_n", **NUMBERED, field=field),
        tag(name, of=f"{name}_n", score={"bands": bands} | more),
    ]


TAGS = [
    tag("n", **NUMBERED, field="n"),
    tag("m", **NUMBERED, field="m"),
    tag("half", **(NUMBERED | {"as": "decimal"}), field="half", **NUMBER),
    tag("word", **SAID, field="word"),
    tag("due", **(NUMBERED | {"as": "date"}), field="due", type="date"),
    tag("words_n", **(SAID | {"measure": "top_n", "type": "texts"}), field="word", n=2),
    tag("has_b", rule=leaf("words_n", "contains", "b"), **BOOLEAN),
    tag("lacks_b", rule=leaf("words_n", "doesNotContain", "b"), **BOOLEAN),
    tag("flag", of="n", condition={"operator": ">", "value": 0}, **BOOLEAN),
    *[
        tag(f"n_{WORDS[operator]}", rule=leaf("n", operator, value), **BOOLEAN)
        for operator, value in OPERATORS.items()
    ],
    *[
        tag(f"rows_{WORDS[operator]}", from_="events", measure="any", window="ever",
            where=leaf("letter", operator, value), **BOOLEAN)
        for operator, value in {
            "=": "b", "!=": "b", "in": ["b", "c"], "notIn": ["b", "c"], "between": ["b", "c"],
            "null": None,
        }.items()
    ],
    tag("due_over", rule=leaf("due", ">", "2017-06-30"), **BOOLEAN),
    tag("half_is", rule=leaf("half", "=", 2.5), **BOOLEAN),
    tag("word_is", rule=leaf("word", "=", "it's"), **BOOLEAN),
    tag("flag_is", rule=leaf("flag", "=", False), **BOOLEAN),
    tag("all_of", rule=group("and", leaf("n", ">", 5), leaf("m", ">", 5)), **BOOLEAN),
    tag("any_of", rule=group("or", leaf("n", ">", 5), leaf("m", ">", 5)), **BOOLEAN),
    tag("none_of", rule=group("or", leaf("n", ">", 5), leaf("m", ">", 5), turned=True), **BOOLEAN),
    tag("band", of="n", bands=[{"value": "low", "below": 5}, {"value": "middle", "below": 10},
                               {"value": "high"}], **TEXT),
    tag("share_band", of="share", bands=[{"value": "less", "below": 0.5}, {"value": "more"}],
        **TEXT),
    *scored("fifth", "f", 5),
    *scored("fifth_back", "b", 5, best="lowest"),
    *scored("third", "t", 3, among=leaf("flag", "=", True)),
    *scored("alone", "a", 10),
    tag("stage", stages=[
        {"value": "new", "when": leaf("n", ">", 0)},
        {"value": "regular", "when": leaf("n", ">", 5)},
        {"value": "asleep", "when": leaf("m", ">", 5)},
    ], **TEXT),
    tag("share", ratio={"of": "n", "to": "m"}, **NUMBER),
    tag("joined", join=["n", "word", "due"], **TEXT),
    tag("city", **SAID, field="city", map={"Beijing": "北京", "北京市": "北京"}),
    tag("is_beijing", of="city", condition={"operator": "=", "value": "Beijing"}, **BOOLEAN),
    tag("known_city", **SAID, field="city", map={"Beijing": "北京"}, values=["北京", "上海"]),
    tag("city_or", of="known_city", otherwise="elsewhere", **TEXT),
    tag("flag_or", of="n", condition={"operator": ">", "value": 0}, otherwise=True, **BOOLEAN),
    tag("n_or", of="n", otherwise=7),
    tag("rows_so_far", sql="""
        SELECT b.one_id, COUNT(*) AS value FROM events AS e
        JOIN bundle_persons AS b ON b.bundle_id = e.bundle_id
        WHERE e.business_date <= :business_date GROUP BY b.one_id
    """),
    tag("rows_or", otherwise=0, sql="SELECT 'rows_or: a row of the query' AS one_id, 3 AS value"),
    tag("risk", kind="predictive", model="churn", **NUMBER),
    tag("is_risky", of="risk", condition={"operator": ">=", "value": 0.6}, **BOOLEAN),
    tag("risk_band", of="risk", bands=[{"value": "low", "below": 0.3}, {"value": "high"}], **TEXT),
    tag("next", kind="predictive", model="next_category", gives="label", **TEXT),
    tag("worth", kind="predictive", model="value", gives="amount", **NUMBER),
    tag("visits", kind="predictive", model="value", gives="purchases", **NUMBER),
]


def said(name: str, says: str, value: Any, **properties: str) -> Case:
    """A person who said these."""
    return Case(name, says, value, events=[(at(3), "said", properties)] if properties else ())


def compared(operator: str, outcomes: dict[int | None, Any]) -> list[Case]:
    name = f"n_{WORDS[operator]}"
    return [
        said(name, str(n), value, **({} if n is None else {"n": str(n)}))
        for n, value in outcomes.items()
    ]


def thirty(name: str, values: list[int], scores: list[int], **more: str) -> list[Case]:
    """Persons of one population, each with a value and the score it must have."""
    field = {"fifth": "f", "fifth_back": "b", "third": "t", "alone": "a"}[name]
    return [
        said(name, f"{place} has {value}", score, **{field: str(value)} | more)
        for place, (value, score) in enumerate(zip(values, scores, strict=True))
    ]


T, F = True, False
CASES = [
    *compared("=", {4: F, 5: T, 6: F, None: None}),
    *compared("!=", {4: T, 5: F, None: None}),
    *compared("<", {4: T, 5: F, None: None}),
    *compared("<=", {4: T, 5: T, 6: F, None: None}),
    *compared(">", {5: F, 6: T, None: None}),
    *compared(">=", {4: F, 5: T, None: None}),
    *compared("in", {5: T, 6: F, 7: T, None: None}),
    *compared("notIn", {5: F, 6: T, 7: F, None: None}),
    *compared("between", {4: F, 5: T, 6: T, 7: T, 8: F, None: None}),
    *compared("notBetween", {4: T, 5: F, 7: F, 8: T, None: None}),
    *compared("null", {5: F, None: T}),
    *compared("notNull", {5: T, None: F}),
    said("has_b", "of the list", T, word="b"),
    said("has_b", "no part of a text", F, word="bb"),
    said("has_b", "an unknown list", None, n="1"),
    said("lacks_b", "of the list", F, word="b"),
    said("lacks_b", "another", T, word="c"),
    said("lacks_b", "an unknown list", None, n="1"),
    # Of rows: an unknown or empty property is not equal, not unequal and in no list.
    said("rows_is", "equal", T, letter="b"),
    said("rows_is", "empty", F, letter=""),
    said("rows_is_not", "another", T, letter="a"),
    said("rows_is_not", "empty is not unequal", F, letter=""),
    said("rows_is_not", "absent is not unequal", F, n="1"),
    said("rows_among", "the last of the list", T, letter="c"),
    said("rows_not_among", "another", T, letter="a"),
    said("rows_not_among", "absent is not outside", F, n="1"),
    said("rows_inside", "both ends are inside", T, letter="c"),
    said("rows_inside", "just after the end", F, letter="ca"),
    said("rows_unknown", "empty is unknown", T, letter=""),
    said("rows_unknown", "absent is unknown", T, n="1"),
    said("rows_unknown", "known", F, letter="a"),
    said("due_over", "the date itself", F, due="2017-06-30"),
    said("due_over", "the next date", T, due="2017-07-01"),
    said("half_is", "a number as written", T, half="2.50"),
    said("half_is", "a millionth less", F, half="2.499999"),
    said("word_is", "a quotation mark is a letter", T, word="it's"),
    said("flag_is", "false is false", T, n="0"),
    said("flag_is", "unknown is not false", None),
    # Three values: true, false, unknown.
    said("all_of", "true and true", T, n="6", m="6"),
    said("all_of", "true and unknown", None, n="6"),
    said("all_of", "false and unknown", F, n="5"),
    said("any_of", "true or unknown", T, n="6"),
    said("any_of", "false or unknown", None, n="5"),
    said("any_of", "false or false", F, n="5", m="5"),
    said("none_of", "not (true or unknown)", F, n="6"),
    said("none_of", "not (false or unknown)", None, n="5"),
    said("none_of", "not (false or false)", T, n="5", m="5"),
    said("flag", "at the border", F, n="0"),
    said("flag", "over the border", T, n="1"),
    said("band", "below the first border", "low", n="4"),
    said("band", "at the first border", "middle", n="5"),
    said("band", "at the last border", "high", n="10"),
    said("band", "below 0", "low", n="-1"),
    said("band", "unknown", None),
    said("share_band", "just below a half", "less", n="49", m="100"),
    said("share_band", "a half", "more", n="1", m="2"),
    said("share_band", "of nothing", None, n="1", m="0"),
    # Edges of 1..10 are 2.8, 4.6, 6.4, 8.2: a score is passed when greater.
    *thirty("fifth", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
    # Edges of 10, 10, 10, 20, 30 and 40 are 10, 10, 20, 30: who is on an edge has not passed it.
    *thirty("fifth_back", [10, 10, 10, 20, 30, 40], [5, 5, 5, 3, 2, 1]),
    # Of 1, 2, 3 and 4 the edges are 2 and 3; 99 and 100 are of persons who are not among them.
    *thirty("third", [1, 2, 3, 4], [1, 1, 2, 3], n="1"),
    said("third", "not among", None, t="99", n="0"),
    said("third", "unknown whether among", None, t="100"),
    said("third", "among without a value", None, n="1"),
    said("alone", "one value is its own edge", 1, a="7"),
    said("stage", "the last of several", "asleep", n="6", m="6"),
    said("stage", "a later one without the first", "asleep", n="0", m="6"),
    said("stage", "an unknown condition is not true", "regular", n="6"),
    said("stage", "at a border", "new", n="5", m="5"),
    said("stage", "in none", None, n="0", m="0"),
    said("share", "a part of a whole", 0.25, n="1", m="4"),
    said("share", "nothing of something is 0", 0.0, n="0", m="4"),
    said("share", "by 0 is unknown", None, n="1", m="0"),
    said("share", "0 by 0 is unknown", None, n="0", m="0"),
    said("share", "of unknown", None, m="4"),
    said("share", "by unknown", None, n="1"),
    said("share", "below 0", -0.5, n="-1", m="2"),
    said("joined", "values one after another", "1a2017-06-30", n="1", word="a", due="2017-06-30"),
    said("joined", "one is unknown", None, n="1", word="a"),
    said("city", "a spelling", "北京", city="北京市"),
    said("city", "no spelling of anything", "北京市区", city="北京市区"),
    said("city", "letters count", "beijing", city="beijing"),
    said("is_beijing", "any of the spellings", T, city="北京市"),
    said("is_beijing", "unknown", None, city=""),
    said("known_city", "mapped, then listed", "北京", city="Beijing"),
    said("known_city", "not listed", None, city="深圳"),
    said("city_or", "not listed", "elsewhere", city="深圳"),
    said("city_or", "listed", "上海", city="上海"),
    said("flag_or", "unknown", T),
    said("flag_or", "false is known", F, n="0"),
    said("n_or", "unknown", 7),
    said("n_or", "0 is known", 0, n="0"),
    said("n_or", "cannot be read", 7, n="many"),
    Case("rows_so_far", "up to the date", 2, events=[
        (at(0, "23:59:59.999"), "said"), (at(9), "said"), (at(-1, "00:00:00"), "said")]),
    said("rows_so_far", "no row of the query", None),
    said("rows_or", "a row of the query", 3),
    said("rows_or", "no row of the query", 0),
    said("risk", "as the model says", 0.61),
    said("risk", "of another date", None),
    said("risk", "of another model", None),
    said("is_risky", "at the threshold", T),
    said("is_risky", "below the threshold", F),
    said("is_risky", "no score", None),
    said("risk_band", "at the border", "high"),
    said("risk_band", "below the border", "low"),
    said("risk_band", "no score", None),
    said("next", "the likeliest", "COFFEE"),
    said("next", "no score", None),
    said("worth", "an amount", 12345.5),
    said("worth", "nothing is expected", 0.0),
    said("visits", "a number of purchases", 1.25),
    said("visits", "a model that gives none", None),
]
SCORES: dict[str, dict[str, Any]] = {
    "risk: as the model says": {"probability": 0.61},
    "risk: of another date": {"probability": 0.9, "business_date": DAY - timedelta(days=1)},
    "risk: of another model": {"probability": 0.9, "model": "purchase"},
    "is_risky: at the threshold": {"probability": 0.6},
    "is_risky: below the threshold": {"probability": 0.5999999},
    "risk_band: at the border": {"probability": 0.3},
    "risk_band: below the border": {"probability": 0.2999999},
    "next: the likeliest": {"probability": 0.4, "label": "COFFEE", "model": "next_category"},
    "worth: an amount": {"probability": 0.4, "amount": 12345.5, "model": "value"},
    "visits: a number of purchases": {"probability": 0.4, "purchases": 1.25, "model": "value"},
    "visits: a model that gives none": {"probability": 0.4},
    "worth: nothing is expected": {"probability": 0.0, "amount": 0.0, "model": "value"},
}


def put_scores(draft: Draft) -> None:
    """Scores as models write them."""
    if draft.parent is None:
        plain = {"business_date": DAY, "model": "churn", "version": "v"}
        scores = [plain | {"one_id": one_id} | said for one_id, said in SCORES.items()]
        tiny.append(draft, "model_scores", scores)


GOLDEN = Golden(TAGS, CASES, also=put_scores)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    return GOLDEN.in_one_release(tmp_path_factory.mktemp("turns"))


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.person)
def test_a_tag_gives(values: Values, case: Case) -> None:
    assert values[case.person][case.tag] == case.value


@pytest.mark.rule("CDP-6")
def test_a_person_with_nothing_is_unknown_but_for_what_says_otherwise(values: Values) -> None:
    known = {
        name: value for name, value in values[NOBODY].items()
        if value is not None and not name.startswith("rows_")
        and name not in ("business_date", "one_id", "person_no")
    }
    assert known == {
        "n_unknown": True, "n_known": False, "city_or": "elsewhere", "flag_or": True, "n_or": 7,
    }


@pytest.mark.rule("CDP-6")
def test_rows_that_come_late_give_the_same(values: Values, tmp_path: Path) -> None:
    assert GOLDEN.in_two_releases(tmp_path) == values


def test_every_operator_has_its_cases() -> None:
    assert set(OPERATORS) | set(OF_TEXTS) == set(get_args(Operator))
    assert set(OPERATORS) == set(WORDS)
    bare = {"n", "m", "half", "word", "due"} | {one.name for one in TAGS if "_n" in one.name[-2:]}
    assert {one.name for one in TAGS} - {case.tag for case in CASES} <= bare


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (2, [1, 5]), (5, [1, 2, 3, 4, 5])])
def test_few_persons_have_few_scores(tmp_path: Path, count: int, expected: list[int]) -> None:
    tags = declared([TagFile(scored("fifth", "f", 5))])
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {f"p{n}": [n] for n in range(count)})
        tiny.put_events(draft, [(n, at(1), "said", {"f": str(n)}) for n in range(count)])
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        found = tiny.tag_rows(draft)
    assert [found[f"p{n}"]["fifth"] for n in range(count)] == expected


def test_a_query_that_gives_a_person_two_values_publishes_nothing(tmp_path: Path) -> None:
    tags = declared([TagFile([
        tag("twice", sql="SELECT one_id, 1 AS value FROM persons UNION ALL "
                         "SELECT one_id, 2 AS value FROM persons")
    ])])
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1]})
        refresh_partials(draft, tags)
        with pytest.raises(ConfigError, match=r"got: 2 values of p\n(.|\n)*at: tag twice"):
            publish_tags(draft, tags)
    assert open_lake(tmp_path).releases() == []
