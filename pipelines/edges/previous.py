"""Moves: what differs from an earlier result, so that a store can follow by them alone.

Applied to a map from (type, value, tenure) to holder, where nobody is no entry, the moves turn
the one of the earlier result into that of the new.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from lake.engines.duckdb import Session, quoted
from pipelines.edges.inputs import BATCH
from pipelines.edges.outcome import MOVES
from pipelines.edges.screening import VALUES
from schemas.errors import InputError, NotFoundError

MADE_BY = "guiyi identity resolve"
_NEEDED = ("type", "value", "tenure", "one_id", "kind")

_FLOWS = """
CREATE OR REPLACE TEMP TABLE edge_flows AS
SELECT coalesce(b.type, a.type) AS type, coalesce(b.value, a.value) AS value,
  coalesce(b.tenure, a.tenure) AS tenure, b.one_id AS one_id_from, a.one_id AS one_id_to,
  coalesce(b.kind NOT IN ('sole', 'handover'), false)
    OR coalesce(a.kind NOT IN ('sole', 'handover'), false) AS is_screened,
  b.type IS NULL OR a.type IS NULL AS is_new_or_gone
FROM read_parquet({before}) AS b
FULL JOIN read_parquet({after}) AS a
  ON a.type = b.type AND a.value = b.value AND a.tenure = b.tenure
WHERE b.one_id IS DISTINCT FROM a.one_id
"""

_MOVES = """
SELECT type, value, tenure, one_id_from, one_id_to,
  CASE WHEN (type, value) IN (SELECT (type, value) FROM edge_decided) THEN 'decision'
    WHEN is_screened THEN 'screen' WHEN is_new_or_gone THEN 'evidence'
    WHEN one_id_to IN (SELECT one_id FROM read_parquet({before}) WHERE one_id IS NOT NULL)
      AND one_id_from NOT IN (SELECT one_id FROM read_parquet({after}) WHERE one_id IS NOT NULL)
    THEN 'merge' ELSE 'split' END AS cause
FROM edge_flows ORDER BY type, value, tenure
"""


def read_manifest(folder: Path) -> dict[str, object] | None:
    """The manifest of a result of this command; None where the folder is none."""
    try:
        found = msgspec.json.decode((folder / "manifest.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return found if isinstance(found, dict) and found.get("made_by") == MADE_BY else None


def open_previous(folder: Path) -> dict[str, object]:
    """The manifest of an earlier result; NotFoundError or InputError where it is none or not whole.

    One that was made with other rules will do.
    """
    if not folder.is_dir():
        raise NotFoundError("no earlier result there", expected="a folder", where=str(folder))
    manifest = read_manifest(folder)
    path = folder / "tenures.parquet"
    if manifest is None or not path.is_file():
        missing = "manifest.json" if manifest is None else "tenures.parquet"
        raise InputError(
            "this is no whole result of an earlier run",
            expected="the folder that `--out` of an earlier run names",
            got=f"no {missing} of such a run",
            where=str(folder),
            todo="name another folder, or leave --previous out: then everything is new",
        )
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            "an earlier result that cannot be read", got=str(error), where=str(path)
        ) from error
    if not set(_NEEDED) <= set(names):
        raise InputError(
            "an earlier result of another kind",
            expected=", ".join(_NEEDED),
            got=", ".join(names),
            where=str(path),
        )
    return manifest


def moves(
    session: Session, before: Path, after: Path, decided: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """What moved between two files of tenures, in order of type and value.

    ``decided`` are batches of ``VALUES``: the identifiers of components with a new decision.
    """
    session.register("edge_decided", pa.Table.from_batches(decided, VALUES))
    files = {"before": quoted(str(before)), "after": quoted(str(after))}
    session.execute(_FLOWS.format(**files))
    for batch in session.con.sql(_MOVES.format(**files)).to_arrow_reader(BATCH):
        columns = [
            _coded(column) if pa.types.is_dictionary(field.type) else column.cast(field.type)
            for column, field in zip(batch.columns, MOVES, strict=True)
        ]
        yield pa.record_batch(columns, schema=MOVES)
    session.con.unregister("edge_decided")


def _coded(column: pa.Array) -> pa.DictionaryArray:
    return column.cast(pa.string()).dictionary_encode()
