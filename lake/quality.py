"""Published tables held to their contracts by Great Expectations, with its pages to look at.

The gate before publish is ``lake.contracts``; here the same promises become one suite per table.
Great Expectations has no DuckDB engine, so DuckDB hands it a bounded batch: key columns as text,
every other promised column as "there" or NULL, every invariant as a column ``holds__<name>``.
No other value of the lake, clear identifiers included, ever reaches its pages.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lake import contracts
from lake.engines.duckdb import Session, scan
from lake.releases import Release
from schemas import catalog
from schemas.releases import RELEASES
from schemas.table import Table

ROWS = 100_000
"""Most rows of a table that are checked: of its newest partition, or of the table."""


@dataclass(frozen=True, slots=True)
class TableQuality:
    """One table: ``failed`` names the broken promises, as the gate names them."""

    table: str
    success: bool
    failed: tuple[str, ...]
    count_rows: int


@dataclass(frozen=True, slots=True)
class QualityReport:
    """All tables that were checked; ``docs`` is the first page of the Data Docs."""

    tables: tuple[TableQuality, ...]
    docs: Path

    @property
    def success(self) -> bool:
        """Whether every table kept every promise."""
        return all(table.success for table in self.tables)


def validate(
    release: Release, session: Session, tables: Sequence[str] | None, out: Path
) -> QualityReport:
    """Check tables (all of the release when None) and write suites, checkpoints and pages.

    What an earlier call left in ``out/gx`` and ``out/docs`` is replaced. Of each table at most
    ``ROWS`` rows are read, of its newest partition where it has partitions. NotFoundError for a
    table that does not exist.
    """
    every = [name for name in catalog.TABLES if name in release.versions]
    chosen = [catalog.table(name) for name in (tables or every) if name != RELEASES.name]
    for part in ("gx", "docs"):
        shutil.rmtree(out / part, ignore_errors=True)
    with _great_expectations() as gx:
        context = _context(gx, out)
        source = context.data_sources.add_pandas("lake")
        found = tuple(
            _run(gx, context, source, table, batch(session, table, release), release)
            for table in chosen
        )
        context.build_data_docs()
    return QualityReport(found, out / "docs" / "index.html")


def batch(session: Session, table: Table, release: Release) -> Any:
    """The pandas frame on which a table's promises are checked."""
    files = release.files(table.name)
    newest = max((file.d for file in files), default="")
    paths = [file.path for file in files if file.d == newest]
    columns = [
        f'CAST("{field.name}" AS VARCHAR) AS "{field.name}"'
        if field.name in table.key
        else f'CASE WHEN "{field.name}" IS NOT NULL THEN true END AS "{field.name}"'
        for field in table.schema
        if field.name in table.key or not field.nullable
    ]
    columns += [f'({rule.sql}) IS TRUE AS "holds__{rule.name}"' for rule in table.invariants]
    relation = scan(table.schema, paths)
    return session.table(
        f"SELECT {', '.join(columns)} FROM (SELECT * FROM ({relation}) LIMIT {ROWS})"
    ).to_pandas()


def expectations(table: Table) -> list[Any]:
    """The promises of ``lake.contracts`` as Great Expectations; ``meta`` carries their names."""
    with _great_expectations() as gx:
        return [_expectation(gx, table, check) for check in contracts.checks(table)]


def _expectation(gx: ModuleType, table: Table, check: contracts.Check) -> Any:
    kinds = gx.expectations
    said = {"meta": {"promise": check.name}, "notes": check.says}
    if check.name == "key_is_unique":
        if len(table.key) > 1:
            return kinds.ExpectCompoundColumnsToBeUnique(column_list=list(table.key), **said)
        return kinds.ExpectColumnValuesToBeUnique(column=table.key[0], **said)
    if check.name in {rule.name for rule in table.invariants}:
        column = f"holds__{check.name}"
        return kinds.ExpectColumnValuesToBeInSet(column=column, value_set=[True], **said)
    column = check.name.removesuffix("_is_not_null")
    return kinds.ExpectColumnValuesToNotBeNull(column=column, **said)


@contextmanager
def _great_expectations() -> Iterator[ModuleType]:
    """Great Expectations without its analytics, its warnings, and its search for Spark."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # Spark is not used here, and pyspark ends an interpreter started with -c when it is
    # imported without its own test tools.
    hidden = [name for name in ("pyspark", "pyspark.sql.connect") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import great_expectations as gx
            import great_expectations.expectations
        finally:
            for name in hidden:
                sys.modules.pop(name, None)
        yield gx


def _context(gx: ModuleType, out: Path) -> Any:
    from great_expectations.data_context.types.base import ProgressBarsConfig

    out.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=str(out))
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in list(context.variables.data_docs_sites):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(
        site_name="contracts",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": "../docs",
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    return context


def _run(
    gx: ModuleType, context: Any, source: Any, table: Table, frame: Any, release: Release
) -> TableQuality:
    suite = gx.ExpectationSuite(
        name=table.name,
        expectations=[_expectation(gx, table, check) for check in contracts.checks(table)],
        notes=f"{table.says} One row is {table.grain}.",
    )
    asset = source.add_dataframe_asset(table.name)
    definition = gx.ValidationDefinition(
        name=table.name,
        data=asset.add_batch_definition_whole_dataframe("newest"),
        suite=context.suites.add(suite),
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=table.name,
            validation_definitions=[context.validation_definitions.add(definition)],
        )
    )
    run = gx.RunIdentifier(run_name=f"release-{release.release_no}", run_time=release.published_at)
    done = checkpoint.run(batch_parameters={"dataframe": frame}, run_id=run)
    (result,) = done.run_results.values()
    failed = tuple(
        one.expectation_config.meta["promise"] for one in result.results if not one.success
    )
    return TableQuality(table.name, bool(result.success), failed, len(frame))
