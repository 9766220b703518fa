from __future__ import annotations

import json
from pathlib import Path

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from jobs.commands import fuzzy
from jobs.show import Format
from schemas.errors import GuiyiError, InputError, NotFoundError, UsageError
from tests.pipelines.fuzzy.register import register

SETTINGS = """\
id: {column: "no", type: crm}
compare:
  - {column: first, kind: name, surname: last}
  - {column: born, kind: date_of_birth}
  - {column: mail, kind: email}
block:
  - [born]
  - [last, {column: first, letters: 2}]
  - [mail]
certain:
  - [first, last, born]
train:
  - [born]
  - [last]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "crm.yml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked before Splink is asked can be seen without it."""
    monkeypatch.setattr("pipelines.fuzzy.model.importlib.util.find_spec", lambda _: True)


def test_csv_and_parquet_give_the_same_edges(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("splink", reason="Splink (guiyi[fuzzy]) is not installed")
    records = register(60)
    pc.write_csv(records, tmp_path / "crm.csv")
    pq.write_table(records, tmp_path / "crm.parquet")
    fuzzy.match(tmp_path / "crm.csv", settings, tmp_path / "deep" / "a.parquet", form=Format.JSON)
    answer = json.loads(capsys.readouterr().out)
    fuzzy.match(tmp_path / "crm.parquet", settings, tmp_path / "b.parquet")
    edges = pq.read_table(tmp_path / "deep" / "a.parquet")
    assert edges.equals(pq.read_table(tmp_path / "b.parquet"))
    assert answer["records"] == 120
    assert answer["edges"] == edges.num_rows > 40
    assert {"column", "level", "m", "u", "weight"} == set(answer["weights"][0])
    assert f"{edges.num_rows} edges of probability 0.95 or more" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.parquet"]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("crm.csv", b"", InputError, "there is no record"),
        ("crm.csv", b"no,first,last,born,mail\n", InputError, "there is no record"),
        ("crm.csv", b"no,first,last,born\n1,a,b,c\n", UsageError, "no column 'mail'"),
        ("crm.csv", b"no,first,last,born,mail\n1,a,b\n2,a,b\n", InputError, "cannot be read"),
        ("crm.csv", b"no,first,last,born,mail\n1,\xff,b,c,d\n", InputError, "cannot be read"),
        ("crm.parquet", b"PAR1", InputError, "the records cannot be read"),
        ("crm.xlsx", b"", UsageError, "records of an unknown format"),
        (None, b"", NotFoundError, "no file of records there"),
    ],
)
def test_records_that_cannot_be_read_are_said(
    tmp_path: Path,
    settings: Path,
    name: str | None,
    content: bytes,
    kind: type[GuiyiError],
    says: str,
) -> None:
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(kind) as caught:
        fuzzy.match(tmp_path / (name or "crm.csv"), settings, tmp_path / "edges.parquet")
    assert says in str(caught.value)
    assert not (tmp_path / "edges.parquet").exists()


def test_a_threshold_and_settings_are_looked_at_first(tmp_path: Path, settings: Path) -> None:
    with pytest.raises(UsageError, match="a threshold is a probability"):
        fuzzy.match(tmp_path / "x.csv", settings, tmp_path / "e.parquet", threshold=1.5)


@pytest.mark.usefixtures("stand_in")
def test_settings_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no settings there"):
        fuzzy.match(tmp_path / "x.csv", tmp_path / "no.yml", tmp_path / "e.parquet")
