"""The house rules that a reader would otherwise have to trust."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "schemas", "domain", "lake", "pipelines", "services", "models", "console", "jobs", "guiyi",
)
BANNED_FILES = {"utils", "helpers", "helper", "util", "common", "manager", "misc"}
BANNED_WORDS = (
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "finish it or file an issue"),
    (re.compile(r"import \*"), "name what you import"),
)


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if name.endswith(suffixes) and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [p for p in tracked(".py") if p.relative_to(ROOT).parts[0] in FOLDERS]


def test_no_function_is_longer_than_seventy_lines() -> None:
    long = []
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                doc = ast.get_docstring(node)
                size = (
                    (node.end_lineno or 0) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
                )
                if size > 70:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {size}")
    assert long == []


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    sizes = {p.relative_to(ROOT): p.read_text().count("\n") for p in tracked(".py")}
    assert {p: n for p, n in sizes.items() if n > 400} == {}


def test_no_line_is_longer_than_one_hundred() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".yml", ".toml")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert long == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [p for p in tracked(".py") if p.stem in BANNED_FILES] == []


def test_banned_words_are_absent() -> None:
    found = []
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for pattern, instead in BANNED_WORDS:
                if pattern.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number} {instead}")
    assert found == []


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_is_an_orphan() -> None:
    imported: set[str] = {"jobs.cli", "guiyi"}
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {module_name(p) for p in sources() if p.name not in ("__init__.py", "__main__.py")}
    # Run by `make docs`, and found by networkx through its entry point.
    started = {"jobs.pages", "pipelines.components.backend"}
    # A process of the second environment.
    started |= {"jobs.streaming.flink_main"}
    # Found by Alembic in their folder.
    revisions = {name for name in names if name.startswith("services.migrations.versions.")}
    assert names - imported - started - revisions == set()


def test_every_public_function_of_the_sources_says_what_one_gets() -> None:
    silent = []
    for path in sources():
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree):
            silent.append(f"{path.relative_to(ROOT)}:1")
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and not ast.get_docstring(node):  # type: ignore[arg-type]
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


MACHINE = re.compile(r"/(?:work|home|root|Users)/[a-z]|https?://(?:pypi|files\.pythonhosted)")


def test_nothing_names_a_machine_or_a_registry_host() -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".md", ".yml", ".toml", ".lock", ".ipynb", "Makefile")
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert found == []


def rules_in_tests() -> set[str]:
    marks = re.compile(r"""mark\.rule\(\s*["']([A-Z]+-\d+)["']""")
    return {
        rule for p in tracked(".py") if "tests" in p.parts for rule in marks.findall(p.read_text())
    }


def test_the_page_of_rules_lists_the_rules_that_tests_carry() -> None:
    page = ROOT / "docs" / "rules.md"
    if not page.exists():
        pytest.fail("docs/rules.md is missing: run `make docs`")
    listed = set(re.findall(r"^\| ([A-Z]+-\d+) \|", page.read_text(), re.M))
    assert listed == rules_in_tests()
