"""``guiyi tag run``: tags tried on a release, and what is shown of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobs.tags import Defined
from lake.engines.duckdb import Session
from lake.releases import Release
from pipelines.tags import trial
from schemas.errors import UsageError


def tried(
    session: Session, release: Release, defined: Defined, names: list[str], rows: int,
    out: Path | None,
) -> dict[str, Any]:
    """The tags called ``names`` on a release, with a file of their values where ``out`` is given.
    """
    if out is not None and not out.parent.is_dir():
        raise UsageError(
            "there is no folder for the file", expected="a folder", got=str(out.parent),
            where="--out",
        )
    count = trial.try_tags(session, release, defined.tags, names)
    chosen = [defined.tag(name) for name in names]
    if out is not None:
        query = f"SELECT * FROM {trial.TRIED} ORDER BY person_no"
        _write(session, query, trial.tried_table(chosen).schema, out)
    told = []
    for tag in chosen:
        spread = trial.spread(session, tag)
        del spread["business_date"]
        told.append({
            **spread, "label": tag.label, "kind": tag.kind,
            "differ_from_published": trial.beside_published(session, tag),
            "sample": trial.sample(session, tag, rows),
        })
    return {
        "business_date": release.business_date, "release_no": release.release_no,
        "persons": count, "out": str(out) if out else None, "tags": told,
    }


def _write(session: Session, query: str, schema: Any, out: Path) -> None:
    """One file, there whole or not at all."""
    folder = out.parent
    written = session.write(query, schema, folder, None)
    for path, _ in written:
        os.replace(path, out)


def text(found: dict[str, Any]) -> str:
    """What was found, tag by tag."""
    lines = [
        f"{len(found['tags'])} tags of {found['persons']:,} persons on {found['business_date']} "
        f"(release {found['release_no']}); nothing was published"
    ]
    for tag in found["tags"]:
        lines += ["", *spread_lines(tag)]
        differ = tag["differ_from_published"]
        if differ is not None:
            lines.append(f"  other than published: {differ:,} persons")
        lines += [
            f"  person {row['person_no']} ({row['one_id']}): {row['value']}"
            for row in tag["sample"]
        ]
    if found["out"]:
        lines += ["", f"written: {found['out']}"]
    return "\n".join(lines)


def spread_lines(row: dict[str, Any]) -> list[str]:
    """Coverage and distribution of a tag as lines."""
    lines = [
        f"{row['tag']}: known of {row['count_known']:,} of {row['count_persons']:,} persons "
        f"({row['share_known']:.1%}), {row['count_values']:,} values"
        + (f" from {row['lowest']} to {row['highest']}" if row["lowest"] is not None else "")
    ]
    said = "up to " if row["shape"] == "ranges" else ""
    lines += [f"  {said}{one['value']}: {one['count']:,}" for one in row["bins"]]
    if row["count_other"]:
        lines.append(f"  others: {row['count_other']:,}")
    return lines
