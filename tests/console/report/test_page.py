from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from console.report import (
    Changes,
    DayOfSource,
    Example,
    MethodScore,
    Refusal,
    ReportFacts,
    TagBin,
    TagFacts,
    Trap,
    UnpublishedModel,
    render,
)
from tests.console.report.demo import FIRST, demo, nothing

VOID = {"meta", "br", "img", "input", "link", "hr"}
SELF_CLOSED_IN_SVG = {"path", "use", "line", "rect", "circle"}


class Reader(HTMLParser):
    """Collects text, ids and links, and refuses a tag that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SELF_CLOSED_IN_SVG
        self._attributes(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def words(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(page).texts))


@pytest.fixture(scope="module")
def page() -> str:
    return render(demo(days=120))


def test_the_page_is_well_formed_and_names_nothing_twice(page: str) -> None:
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    references = {link[1:] for link in reader.links} | set(re.findall(r"url\(#(\w+)\)", page))
    assert references <= set(reader.ids)


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    assert all(link.startswith("#") for link in read(page).links)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<img|<iframe| src=", page)


def test_the_page_of_a_year_is_smaller_than_three_megabytes_and_always_the_same() -> None:
    whole = render(demo())
    assert len(whole.encode()) < 3_000_000
    assert whole == render(demo())


def test_headline_figures_are_the_facts(page: str) -> None:
    facts, text = demo(days=120), words(page)
    rows = sum(day.count_rows for day in facts.deliveries)
    assert f"{rows:,} rows came in" in text
    assert f"{facts.count_events:,} events" in text
    assert f"{facts.count_persons:,} persons" in text
    assert "131 members of “Beijing coffee lovers” 84 exported" in text
    assert "0.987 precision of identity recall 0.942" in text


def test_every_source_shows_its_equation_and_every_day(page: str) -> None:
    facts, text = demo(days=120), words(page)
    for source in {day.source for day in facts.deliveries}:
        days = [day for day in facts.deliveries if day.source == source]
        rows, events, refused, known = (
            sum(getattr(day, f"count_{name}") for day in days)
            for name in ("rows", "events", "quarantined", "duplicates")
        )
        line = f"{source} {len(days)} {rows:,} = {events:,} + {refused:,} + {known:,} yes"
        assert line in text
    day = facts.deliveries[7]
    assert f"{day.day} {day.count_rows:,} {day.count_events:,} {day.count_quarantined:,}" in text


def test_pictures_carry_their_numbers_as_text(page: str) -> None:
    pictures = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", page))
    for number in ("1,203", "0.856", "0.771", "0.987", "0.861", "131", "identifiers held"):
        assert number in pictures


def test_a_picture_follows_the_page_from_light_to_dark(page: str) -> None:
    drawn = " ".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}\b", drawn)
    assert "prefers-color-scheme: dark" in page
    for name in set(re.findall(r"var\(--(\w+)\)", drawn)):
        assert page.count(f"--{name}:") >= (1 if name == "natural" else 2)


def test_a_lake_without_a_run_says_so_in_sentences() -> None:
    page = render(nothing())
    assert "<svg" not in page
    text = words(page)
    for sentence in (
        "Nothing has been published yet",
        "No file has been delivered yet.",
        "No row is in quarantine.",
        "Nobody has been resolved yet.",
        "Nothing has changed in identity yet.",
        "There is no truth to measure against in this lake.",
        "No tag has been computed yet.",
        "No model has passed its gate yet.",
        "No audience has been selected yet.",
        "There is no release yet.",
    ):
        assert sentence in text


def test_each_part_may_be_missing_while_the_others_are_there() -> None:
    whole = demo(days=20)
    parts = [n for n in ReportFacts.__dataclass_fields__ if isinstance(getattr(whole, n), tuple)]
    for missing in (parts[::2], parts[1::2]):
        empty: dict[str, Any] = dict.fromkeys(missing, ())
        read(render(replace(whole, **empty)))


def test_one_day_one_person_and_a_failing_equation_are_still_a_page() -> None:
    facts = ReportFacts(
        deliveries=(DayOfSource("s", FIRST, 3, 1, 1, 0),),
        changes=(Changes(FIRST, 1, 0, 0, 0),),
        evaluation=(MethodScore("rules", 0.0, 1.0, None, 1),),
        tags=(TagFacts("n", "n", "number", 1, 1, (TagBin("0", 1, 0.0, 1.0),)),),
        tags_on=FIRST,
    )
    text = words(render(facts))
    assert "s 1 3 = 1 + 1 + 0 no" in text
    assert "not measured" in text


def test_the_first_load_is_told_in_words_and_the_later_days_are_drawn(page: str) -> None:
    text = words(page)
    assert "created 5,351 persons at once" in text
    (drawn,) = re.findall(r'<svg[^>]*aria-label="What became of persons.*?</svg>', page, re.DOTALL)
    assert "5,351" not in drawn


def test_what_came_from_outside_is_shown_as_text_never_as_markup() -> None:
    bad = "<script>alert(1)</script>"
    refusal = Refusal("s", "r", 1, (Example(bad, 1, bad, bad),))
    tag = TagFacts("t", bad, "category", 1, 1, (TagBin(bad, 1),))
    page = render(ReportFacts(refusals=(refusal,), tags=(tag,), tags_on=FIRST, programme=bad))
    assert "<script" not in page
    assert words(page).count("alert(1)") >= 5


def test_a_model_that_is_not_published_stands_with_the_reasons_and_no_figures() -> None:
    absent = (UnpublishedModel("churn", "Churn", ("a leak", "too few")), UnpublishedModel("x", ""))
    text = words(render(replace(demo(days=3), models=(), unpublished=absent)))
    told = r"Churn Not published for \S+, so nobody has its score [^.]+: a leak; too few"
    assert re.search(told, text)
    assert "x Not published" in text
    assert "the history of runs does not say why" in text
    assert "Brier" not in text
    assert "No model has passed its gate yet." not in text


def test_traps_and_same_content_are_reported_with_their_counts() -> None:
    facts = replace(demo(30), traps=(Trap("late file", 3, 2),), count_same_content=733)
    text = words(render(facts))
    assert "late file 3 2" in text
    assert "733 events repeat" in text
    assert "How each trap of identity was handled" not in text


def test_each_trap_of_identity_shows_the_share_handled_its_bar_and_the_share_undecidable(
    page: str,
) -> None:
    text = words(page)
    shared = "shared card found shared, its two holders apart 370 293 90.8 % at least 90 %: kept"
    assert f"{shared} 20.8 %" in text
    assert "store tablet found to be a hub 3 3 100.0 % all: kept 0.0 %" in text


def test_a_missed_bar_and_a_merge_over_the_undecidable_are_said_in_words(page: str) -> None:
    assert "both values with one person 772 772 94.6 % at least 95 %: missed" in words(
        page
    )
    over = Trap("spouse phone", 9, 8, 8, "they stay apart", 0.9, count_over_two=1)
    text = words(render(replace(demo(3), traps=(over,))))
    assert "at least 90 %: kept 11.1 % 1 joined more than two" in text


def test_figures_stand_beside_those_with_nothing_excused(page: str) -> None:
    assert "these rules 0.9870 0.9810 0.9420 0.9630 0.9570 21" in words(page)
    assert "hubs screened only 0.8610 – 0.9510 0.9210 – 64" in words(page)
