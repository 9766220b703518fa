"""``guiyi identity match``: edges between records that are probably one person's, by Splink."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from jobs import show
from jobs.show import Format, FormatOption
from lake import conf
from lake.engines.duckdb import Session, quoted
from schemas.errors import InputError, NotFoundError, UsageError
from schemas.fuzzy import Matching

RecordsOption = Annotated[
    Path, typer.Option("--records", help="Records, .parquet or .csv with a header line.")
]
SettingsOption = Annotated[
    Path, typer.Option("--settings", help="What is compared and how: docs/fuzzy.md.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option("--threshold", help="Least probability of an edge; default: the settings'."),
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Parquet file of edges for `guiyi identity resolve`.")
]
MemoryOption = Annotated[
    str, typer.Option("--memory", help="Most memory DuckDB takes before it spills to disk.")
]


def match(
    records: RecordsOption,
    settings: SettingsOption,
    out: OutOption,
    threshold: ThresholdOption = None,
    memory: MemoryOption = "4GB",
    form: FormatOption = Format.TEXT,
) -> None:
    """Find records of one person by name, birth date and address; needs the extra `fuzzy`."""
    from pipelines import fuzzy

    if threshold is not None and not 0 < threshold < 1:
        raise UsageError(
            "a threshold is a probability",
            expected="more than 0, less than 1",
            got=f"--threshold {threshold:g}",
        )
    started = time.perf_counter()
    fuzzy.require_splink()
    read = _settings(settings)
    # One thread: the same records give the same bytes, at a third more time.
    with (
        tempfile.TemporaryDirectory() as spill,
        Session(Path(spill), memory, threads=1) as session,
    ):
        _show(session, records)
        found = fuzzy.match(session, "records", read, str(records), threshold)
    _write(found.edges, out)
    answer = {
        "records": found.count_records,
        "candidates": found.count_candidates,
        "edges": found.edges.num_rows,
        "threshold": read.threshold if threshold is None else threshold,
        "prior": found.prior,
        "weights": found.weights,
        "out": str(out),
        "seconds": round(time.perf_counter() - started, 2),
    }
    show.answer(answer, form, _text(answer))


def _settings(path: Path) -> Matching:
    if not path.is_file():
        raise NotFoundError("no settings there", where=str(path), todo="see docs/fuzzy.md")
    return conf.load_file(path, Matching)


def _show(session: Session, path: Path) -> None:
    """Show the file as the view ``records``; every CSV value is text, an empty one is NULL."""
    if not path.is_file():
        raise NotFoundError("no file of records there", where=str(path))
    readers = {
        ".parquet": f"read_parquet({quoted(str(path))})",
        ".csv": f"read_csv({quoted(str(path))}, header = true, all_varchar = true, "
        "delim = ',', quote = '\"', escape = '\"', null_padding = false)",
    }
    if path.suffix.lower() not in readers:
        raise UsageError("records of an unknown format", expected=".parquet or .csv", got=path.name)
    if path.stat().st_size == 0:
        raise InputError("there is no record", expected="a header and rows", where=str(path))
    try:
        session.execute(f"CREATE TEMP TABLE records AS FROM {readers[path.suffix.lower()]}")
    except duckdb.Error as error:
        raise InputError(
            "the records cannot be read",
            expected="Parquet, or CSV in UTF-8 with a header line",
            got=str(error).strip().split("\n")[0],
            where=str(path),
        ) from error


def _write(edges: pa.Table, out: Path) -> None:
    """Write beside and rename, so that no reader meets half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    half = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        pq.write_table(edges, half, compression="zstd")
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)


def _text(answer: dict[str, Any]) -> str:
    lines = [
        f"{answer['edges']:,} edges of probability {answer['threshold']:g} or more between "
        f"{answer['records']:,} records, of {answer['candidates']:,} candidates, "
        f"in {answer['seconds']:.1f} s: {answer['out']}",
        "",
        "log2 weight  column: degree of likeness",
    ]
    for one in answer["weights"]:
        weight = "   not seen" if one["weight"] is None else f"{one['weight']:11.2f}"
        lines.append(f"{weight}  {one['column']}: {one['level']}")
    return "\n".join(lines)
