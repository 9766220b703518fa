"""Writes the generated pages of ``docs/``: ``python -m jobs.pages``; a test holds them current."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import typer
import yaml

from domain.definitions import json_schema
from jobs.cli import app
from jobs.definitions import GIVEN, KINDS
from jobs.fields import described
from lake.contracts import checks
from lake.engines.duckdb import sql_type
from schemas import catalog

ROOT = Path(__file__).parents[1]
MADE = "<!-- made by `make docs`; do not edit -->\n\n"


def pages(root: Path = ROOT) -> dict[str, str]:
    """Every generated page: path below the root → content."""
    made = {
        "docs/commands.md": MADE + commands(),
        "docs/tables.md": MADE + tables(),
        "docs/rules.md": MADE + rules(root),
        "docs/definitions.md": MADE + definitions(),
        "docs/what_runs_where.md": MADE + what_runs_where(root),
    }
    for name, kind in (KINDS | GIVEN).items():
        schema = json.dumps(json_schema(kind), indent=1, ensure_ascii=False, sort_keys=True)
        made[f"docs/schemas/{name}.schema.json"] = schema + "\n"
    return made


def commands() -> str:
    """The reference of the command line."""
    group = typer.main.get_command(app)
    return "# Commands\n\n" + "\n".join(_command(group, "guiyi"))


def _command(command: Any, name: str) -> list[str]:
    lines = [] if name == "guiyi" else [f"## `{name}`", "", command.help or "", ""]
    rows = [_parameter(p) for p in command.params if not getattr(p, "hidden", False)]
    if rows and name != "guiyi":
        lines += ["| argument or option | meaning | default |", "|---|---|---|", *rows, ""]
    for child, inner in sorted(getattr(command, "commands", {}).items()):
        lines += _command(inner, f"{name} {child}")
    return lines


def _parameter(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    name = parameter.name.upper() if is_argument else ", ".join(parameter.opts)
    default = parameter.default
    shown = "" if default is None or callable(default) or default is False else str(default)
    shown = "required" if parameter.required else shown.removeprefix("Format.").lower()
    return f"| `{name}` | {(getattr(parameter, 'help', None) or '').strip()} | {shown} |"


def tables() -> str:
    """The reference of the tables."""
    lines = ["# Tables", ""]
    for table in catalog.TABLES.values():
        keys = ", ".join(table.key)
        lines += [f"## `{table.name}`", "", table.says, "", f"Grain: {table.grain}. Key: {keys}."]
        if table.partition:
            lines[-1] += f" Partition `d`: {table.partition}."
        lines += ["", "| column | type | meaning |", "|---|---|---|"]
        for field in table.schema:
            null = " or NULL" if field.nullable else ""
            says = (field.metadata or {}).get(b"comment", b"").decode()
            lines.append(f"| `{field.name}` | {sql_type(field.type)}{null} | {says} |")
        lines += ["", "Held before each publish:", ""]
        lines += [f"- `{check.name}`: {check.says}" for check in checks(table)] + [""]
    return "\n".join(lines)


def rules(root: Path) -> str:
    """The rules that tests carry, with the tests."""
    stated: dict[str, str] = yaml.safe_load((root / "docs" / "rules.yml").read_text())
    carried = carried_rules(root)
    lines = ["# Rules held by tests", "", "| rule | statement | tests |", "|---|---|---|"]
    for rule in sorted(carried):
        names = "<br>".join(f"`{name}`" for name in carried[rule])
        lines.append(f"| {rule} | {stated[rule].strip()} | {names} |")
    return "\n".join(lines) + "\n"


def what_runs_where(root: Path) -> str:
    """Every piece of work on every engine, from what the tests of the engines declare and hold."""
    declared = yaml.safe_load((root / "tests" / "engines" / "what_runs_where.yml").read_text())
    engines: dict[str, str] = declared["engines"]
    lines = ["# What runs where", "", *(f"- **{name}**: {says}" for name, says in engines.items())]
    lines += ["", "`tests/engines` runs each of these: `yes` is the same answer as DuckDB's, a "
              "reason is what happens instead (the test fails when it no longer does).", ""]
    for group, work in declared["work"].items():
        lines += [f"## {group.capitalize()}", "", f"| | {' | '.join(engines)} |",
                  "|---" * (len(engines) + 1) + "|"]
        for name, gaps in work.items():
            cells = [_said(declared["gaps"].get(gaps.get(engine))) for engine in engines]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _said(gap: dict[str, str] | None) -> str:
    if gap is None:
        return "yes"
    raises = gap.get("raises", "").rpartition(".")[2]
    return f"{gap['says']} (`{raises}`)" if raises else f"– {gap['says']}"


def carried_rules(root: Path) -> dict[str, list[str]]:
    """Rule id → tests that bear its mark."""
    mark = re.compile(r'mark\.rule\(\s*"([A-Z]+-\d+)"\s*\)(?:\n@[^\n]*|\n[ )\]][^\n]*)*\ndef (\w+)')
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for rule, name in mark.findall(path.read_text()):
            found.setdefault(rule, []).append(f"{path.relative_to(root)}::{name}")
    return found


def definitions() -> str:
    """The kinds of definitions under conf/, field by field."""
    lines = ["# Definitions", "", "Files under `conf/base`; one of the same name under", ""]
    lines[-2] += (
        " `conf/local` is used instead. Unknown keys, wrong types and duplicates are errors"
    )
    lines[-2] += " with file and line. Editors check them by the JSON Schemas in `docs/schemas`."
    for name, kind in (KINDS | GIVEN).items():
        link = f"[`docs/schemas/{name}.schema.json`](schemas/{name}.schema.json)"
        lines += [f"## {name}", "", f"Schema: {link}", "", *described(kind)]
    return "\n".join(lines) + "\n"


def write(root: Path = ROOT) -> None:
    """Write every generated page below ``root``."""
    for name, content in pages(root).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write()
