from __future__ import annotations

from pathlib import Path

import pytest

from lake.engines import jars, parts
from lake.engines.parts import Found
from schemas.errors import UsageError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Java, Maven, jars or the second environment."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GUIYI_ENGINES", str(tmp_path))
    monkeypatch.setenv("GUIYI_FLINK_PYTHON", str(tmp_path / "bin" / "python"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("java 17", "install Java 17"),
        ("maven", "install Maven"),
        ("kafka jars", "guiyi engines install kafka"),
        ("flink jars", "guiyi engines install flink"),
        ("environment flink", "make engines"),
    ],
)
def test_a_missing_part_is_a_usage_error_with_the_command_that_mends_it(
    bare: None, name: str, mend: str
) -> None:
    with pytest.raises(UsageError, match=f"{name} is missing") as caught:
        parts.require(name)
    assert mend in caught.value.todo
    assert caught.value.exit_code == 2


def test_an_old_java_is_not_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="java 17 is missing") as caught:
        parts.require("java 17")
    assert "11.0.2" in caught.value.got


def test_what_is_there_is_required_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_java", lambda: Found(True, "17"))
    parts.require("java 17")
    parts.require()


def test_each_engine_asks_only_for_parts_that_are_known() -> None:
    known = {part.name for part in parts.every()}
    assert {name for names in parts.OF_ENGINE.values() for name in names} <= known


def test_every_declared_jar_has_a_sum_of_its_own() -> None:
    for engine in jars.ENGINES:
        declared = jars.declared(engine)
        assert len(set(declared.values())) == len(declared) > 0
        assert all(len(digest) == 64 for digest in declared.values())


def test_a_jar_that_is_not_what_its_sum_says_is_wrong(
    bare: None, tmp_path: Path
) -> None:
    name = next(iter(jars.declared("spark")))
    (tmp_path / "spark").mkdir()
    (tmp_path / "spark" / name).write_bytes(b"something else")
    assert name not in jars.missing("spark")
    assert name in jars.wrong("spark")
    with pytest.raises(UsageError, match="come by Maven, and there is none"):
        jars.install("spark")
