"""The engines as the tests of this folder see them: steps over tables, tags over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp, parse_one

from jobs import settings
from jobs.streaming import tags as streamed
from lake.engines import duckdb as embedded
from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.merging import Relations, merged
from pipelines.tags.partials import numbers_step, slots_of, values_step
from pipelines.tags.streaming import State, advance, book, chosen, step, values
from pipelines.tags.streaming.keyed import definitions
from pipelines.tags.vocabulary import below
from schemas import catalog
from schemas.step import Step, everything
from schemas.tag_definitions import Tag
from tests.engines import traps
from tests.engines.vocabulary import DAY, PRODUCTS, TAGS, events
from tests.pipelines.tags.streaming.batch import EPOCH

Tables = Mapping[str, pa.Table]
Values = dict[str, dict[str, Any]]
"""Tags by bundle."""
MEASURED = "WITH measured AS ({cells}) SELECT * FROM measured"


class Engine(Protocol):
    """What every engine is asked."""

    def step(self, step: Step, tables: Tables) -> pa.Table:
        """What a step gives."""

    def values(self, tags: Sequence[Tag]) -> Values:
        """The tags of ``DAY`` of the rows of ``vocabulary``, in one go."""


def needed(names: Sequence[str]) -> list[Tag]:
    """The tags of these names, with those that they are made of."""
    known = {tag.name: tag for tag in TAGS}
    wanted = {one.name for name in names for one in below(known[name], known)} | set(names)
    return [tag for tag in TAGS if tag.name in wanted]


def tables() -> dict[str, pa.Table]:
    """All that steps and tags read, of the rows of ``vocabulary``."""
    kept = events()
    keys = sorted({one.key for one in kept})
    when = [
        {"source": one.source, "event_id": one.id, "bundle_id": int(one.key), "received_at": EPOCH,
         "occurred_at": EPOCH + timedelta(microseconds=one.at), "business_date": DAY.fromordinal(
             one.day), "is_clock_corrected": False, "is_clock_suspect": False, "file": "f",
         "line": 1, "type": one.type, "properties": list(one.properties.items())}
        for one in kept
    ]
    lines = [
        row | {"coupon_minor": 0, "currency": "CNY"} | one.line
        for row, one in zip(when, kept, strict=True) if one.line is not None
    ]
    whose = [
        {"bundle_id": int(key), "valid_from": DAY.replace(year=1), "person_no": int(key),
         "valid_to": DAY.replace(year=9999), "one_id": key, "is_borrowed": False} for key in keys
    ]
    score = {"model": "churn", "version": "v", "one_id": keys[0], "business_date": DAY,
             "probability": 0.25}
    whose_schema = pa.schema([
        ("bundle_id", pa.int64()), ("valid_from", pa.date32()), ("valid_to", pa.date32()),
        ("person_no", pa.int64()),
    ])
    return {
        "events": _table("events", when), "order_lines": _table("order_lines", lines),
        "products": _table("products", [{"product_id": name, **said}
                                        for name, said in PRODUCTS.items()]),
        "persons": _table("persons", [{"one_id": key, "person_no": int(key)} for key in keys]),
        "bundle_persons": _table("bundle_persons", whose),
        "model_scores": _table("model_scores", [score]),
        "work_bundle_numbers": pa.Table.from_pylist(whose, schema=whose_schema),
        "identifiers": pa.table({
            "type": ["phone", "email", "device_id", "phone", "member_card"],
            "value": ["138 0013 8000", "A@B.CN", "not a number", None, "vip  007"],
        }),
        "traps": traps.table(),
    }


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    fields = [field.with_nullable(True).remove_metadata() for field in catalog.table(name).schema]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def expected(tags: Sequence[Tag], spill: Path) -> Values:
    """The values by the direct plan on DuckDB."""
    with _session(spill, tables()) as session:
        session.execute(f"CREATE TABLE person_measures AS {direct(all_cells(tags), DAY)}")
        return _by_bundle(session.table(tag_query(tags, DAY).sql(dialect="duckdb")), tags)


def _session(spill: Path, given: Tables) -> embedded.Session:
    session = embedded.Session(spill)
    for name, table in given.items():
        session.register(name, table)
    return session


def _by_bundle(table: pa.Table, tags: Sequence[Tag]) -> Values:
    return {
        row["one_id"]: {tag.name: row[tag.name] for tag in tags} for row in table.to_pylist()
    }


class OnDuckDB:
    """In process; tags come from partials."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def step(self, step: Step, given: Tables) -> pa.Table:
        """What a step gives."""
        with _session(self.folder, given) as session:
            return embedded.run(session, step, {name: name for name in step.reads})

    def values(self, tags: Sequence[Tag]) -> Values:
        """The tags of ``DAY``."""
        cells = all_cells(tags)
        with _session(self.folder, tables()) as session:
            for made in (numbers_step(slots_of(cells)), values_step(slots_of(cells))):
                assert made.sql is not None
                session.execute(f"CREATE TABLE {made.name} AS {made.sql.sql(dialect='duckdb')}")
            query = merged(cells, DAY, Relations())
            session.execute(f"CREATE TABLE person_measures AS {query}")
            return _by_bundle(session.table(tag_query(tags, DAY).sql(dialect="duckdb")), tags)


class _OverFiles:
    """What an engine reads stands in Parquet files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, step: Step, paths: dict[str, list[str]]) -> pa.Table:
        raise NotImplementedError

    def step(self, step: Step, given: Tables) -> pa.Table:
        """What a step gives."""
        return self.run(step, {name: self._path(name, given[name]) for name in step.reads})

    def values(self, tags: Sequence[Tag]) -> Values:
        """The tags of ``DAY``: cells of the rows, and the tags of these, in one query."""
        cells = parse_one(direct(all_cells(tags), DAY), dialect="duckdb")
        query = tag_query(tags, DAY)
        assert isinstance(cells, exp.Query)
        query = query.with_("person_measures", as_=cells)
        # What a part reads comes before it.
        parts = query.args["with_"].expressions
        parts.insert(0, parts.pop())
        made = Step("tags", "sql", ("tag_values",), dict.fromkeys(tables(), everything()),
                    sql=query)
        return _by_bundle(self.step(made, tables()), tags)

    def _path(self, name: str, table: pa.Table) -> list[str]:
        path = self.folder / f"{name}.parquet"
        if not path.exists():
            pq.write_table(table, path)
        return [str(path)]


class OnSpark(_OverFiles):
    """The session that all tests share."""

    def __init__(self, folder: Path, spark: Any) -> None:
        super().__init__(folder)
        self.spark = spark

    def run(self, step: Step, paths: dict[str, list[str]]) -> pa.Table:
        """What a step gives."""
        from lake.engines import spark

        return spark.run(self.spark, step, paths)


class OnBeam(_OverFiles):
    """Beam's own runner."""

    def run(self, step: Step, paths: dict[str, list[str]]) -> pa.Table:
        """What a step gives."""
        from lake.engines import beam

        return beam.run(step, paths, self.folder)


class OnStream:
    """The pure step per bundle, rows in the order of their receipt."""

    def step(self, step: Step, given: Tables) -> pa.Table:
        """Steps map tables, and a stream has none."""
        raise NotImplementedError

    def values(self, tags: Sequence[Tag]) -> Values:
        """The tags of ``DAY``; ConfigError for those that a stream cannot tell."""
        if chosen(tags, PRODUCTS).refused:
            self._refuse(tags)
        ready = book(tags, "Asia/Shanghai", PRODUCTS)
        states: dict[str, State] = {}
        for one in events():
            day = min(one.received, DAY.toordinal())
            state = states.setdefault(one.key, State(day))
            advance(state, day, ready)
            step(state, one, ready)
        return {key: values(state, ready, DAY.toordinal()) for key, state in states.items()}

    @cached_property
    def _keyed(self) -> Any:
        return streamed.keyed(settings.read(), b"a secret for tests only")

    def _refuse(self, tags: Sequence[Tag]) -> None:
        self._keyed.rules(definitions(tags))
