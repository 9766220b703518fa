from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.definitions import parse
from schemas.errors import ConfigError
from schemas.fuzzy import Matching, Part

GOOD = """\
id: {column: number, type: crm}
compare:
  - {column: first, kind: name, surname: last}
  - {column: born, kind: date_of_birth}
block:
  - [born]
  - [last, {column: first, letters: 2}]
certain:
  - [first, last, born]
"""


def test_settings_say_what_is_compared_and_what_makes_a_candidate() -> None:
    read = parse(GOOD, "m.yml", Matching)
    assert read.compare[0].columns == ("first", "last")
    assert read.block[1] == ("last", Part("first", 2))
    assert list(read.used()) == ["first", "last", "born"]
    assert read.threshold == 0.95
    assert read.trained == read.block


@pytest.mark.parametrize(
    ("change", "to", "where", "says"),
    [
        ("kind: date_of_birth", "kind: birthday", "m.yml:4", "Invalid enum value 'birthday'"),
        ("type: crm", "tpye: crm", "m.yml:1", "unknown field `tpye`"),
        ("type: crm", "type: crm, type_column: t", "m.yml:1", "either `type` or `type_column`"),
        ("column: number, ", "", "m.yml:1", "missing required field `column`"),
        ("letters: 2", "letters: 0", "m.yml:7", ">= 1"),
        ("  - [born]", "  - []", "m.yml:1", "a rule needs at least one column"),
        ("born, kind", "first, kind", "m.yml:1", "'first' is compared twice"),
        ("kind: date_of_birth", "kind: exact, surname: x", "m.yml:4", "kind is exact, not name"),
        ("  - [last, ", "  - [born, ", "m.yml:1", "'born' are never learnt"),
        ("certain:", "pairs: across_types\ncertain:", "m.yml:1", "id with type_column"),
        ("certain:", "threshold: 1.0\ncertain:", "m.yml:8", "< 1"),
        ("certain:", "threshold: 0\ncertain:", "m.yml:8", "> 0"),
        ("certain:", "certain_recall: 1.5\ncertain:", "m.yml:8", "<= 1"),
    ],
)
def test_wrong_settings_are_said_with_file_and_line(
    change: str, to: str, where: str, says: str
) -> None:
    assert change in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(change, to, 1), "m.yml", Matching)
    assert caught.value.where.startswith(where)
    assert says in str(caught.value)


def test_the_examples_of_the_page_are_settings() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fuzzy.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert len(examples) == 2
    for example in examples:
        parse(example, "docs/fuzzy.md", Matching)
