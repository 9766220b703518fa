"""What docs/tags.md says of windows, measures and errors is so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import yaml

from domain.definitions import parse_items
from lake import conf
from pipelines.tags.checks import Known, right
from pipelines.tags.places import Entry
from pipelines.tags.windows import span
from schemas.measured import WITHOUT_A_FIELD, Operation
from schemas.model_definitions import Model
from schemas.sources import Source
from schemas.tag_definitions import Tag, TagFile
from schemas.windows import Window

PAGE = (Path(__file__).parents[3] / "docs" / "tags.md").read_text(encoding="utf-8")
(VISITS,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
VISITS = VISITS.replace("\n   ", "\n").removeprefix("   ")


def told(text: str) -> list[str]:
    found, wrong = parse_items(text, "visits.yml", TagFile, "tags", Tag)
    known = Known(conf.load("sources", Source), conf.load("models", Model))
    given = [Entry(one.definition, one.lines, one.path) for one in found]
    return [str(one) for one in [*(e for _, e in wrong), *right(given, known)[1]]]


def test_the_tag_of_the_page_is_right() -> None:
    assert told(VISITS) == []


def test_the_error_of_the_page_is_what_is_told() -> None:
    (error,) = told(VISITS.replace("page_viewed", "page_veiwed"))
    (shown,) = re.findall(r"```\nerror: (.*?)\n```", PAGE, re.S)
    first, expected, *rest = shown.split("\n")
    assert error.split("\n")[0] == first
    assert error.split("\n")[2:] == rest
    assert all(word in error for word in expected.strip().removesuffix(", …").split(", "))


@pytest.mark.rule("CDP-6")
def test_the_borders_of_windows_are_as_the_page_says() -> None:
    rows = re.findall(r"^\| (`\{.*?) \| (2017[^|]*?) \|", PAGE, re.M)
    assert len(rows) == 8
    for windows, dates in rows:
        ends = [date.fromisoformat(one) for one in dates.split(" to ")]
        for text in re.findall(r"`(.*?)`", windows):
            window = msgspec.convert(yaml.safe_load(text), Window)
            found = span(window, date(2017, 7, 5))
            assert (found.first, found.last) == (ends[0], ends[-1]), text


def test_the_page_has_every_measure_and_says_which_take_a_field() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*?)\|", PAGE, re.M)
    table = PAGE[PAGE.index("| measure |") : PAGE.index("## Windows")]
    listed = {
        name: field.strip() for names, field in rows if f"| {names} |" in table
        for name in re.findall(r"`(\w+)`", names)
    }
    assert set(listed) == set(get_args(Operation))
    assert {name for name, field in listed.items() if not field} == set(WITHOUT_A_FIELD)
