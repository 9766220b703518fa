"""Documents that a test does not hold will rot."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from jobs import pages, settings
from jobs.definitions import KINDS
from lake import conf
from lake.store import Lake
from tests.lakes import guiyi

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(pages.pages()))
def test_a_generated_page_is_current(name: str) -> None:
    path = ROOT / name
    assert path.exists(), "run `make docs`"
    assert path.read_text() == pages.pages()[name], "run `make docs`"


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(sample_lake: Lake) -> None:
    calls = [
        line.split("#")[0]
        for block in blocks("")
        for line in block.splitlines()
        if line.startswith("guiyi ")
    ]
    assert len(calls) >= 6
    for call in calls:
        done = guiyi(*shlex.split(call)[1:], data=sample_lake.root)
        assert done.returncode == 0, f"{call}\n{done.stderr}"
        assert done.stdout.strip()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(sample_lake: Lake, tmp_path: Path) -> None:
    (code,) = blocks("python")
    (tmp_path / "data").symlink_to(sample_lake.root)
    done = subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "persons on 2017-12-31" in done.stdout


def test_the_verbs_of_the_readme_are_verbs_of_make() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    known = {line.split()[0] for line in listed.splitlines()}
    documents = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^make (\w+)", documents, re.M)) <= known
    assert {"run", "test", "check", "prove", "help"} <= known


def test_every_file_of_conf_is_a_definition_in_force() -> None:
    read = settings.read()
    assert len(read.sources) >= 8
    listed = set((ROOT / "conf" / "base").rglob("*.yml"))
    parts = (
        "programme.yml", "identity.yml", "tag_bounds.yml", "sources", "tags", "models",
        "audiences", "exports", "destinations", "patterns", "streaming.yml", "topics.yml",
    )
    assert {path for part in parts for path in conf.paths(part)} >= listed
    assert len(KINDS) == len(parts)
