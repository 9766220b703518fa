"""What a run read and wrote, as OpenLineage events, where somebody asks for them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.progress import log
from jobs.registry import Call, Job
from jobs.run import clock
from jobs.steps import FILES, LANDED, LANDING
from schemas.errors import NothingToDo, UsageError

NAMESPACE = "guiyi"
PRODUCER = "urn:guiyi"
_OURS = uuid.uuid5(uuid.NAMESPACE_URL, PRODUCER)


class Lineage:
    """Tells ``place``, a URL or a file of JSON lines, of runs; of none where it is empty.

    Where no place is given, OPENLINEAGE_URL or OPENLINEAGE_CONFIG of the library say it.
    UsageError when the library is not installed.
    """

    def __init__(self, place: str = "") -> None:
        named = any(name.startswith("OPENLINEAGE_") for name in os.environ)
        self.client = _client(place) if place or named else None

    @contextmanager
    def of(self, job: Job, call: Call) -> Iterator[None]:
        """START now, then COMPLETE or FAIL, or ABORT where there is nothing to do.

        An event that cannot be told is a warning: the run goes on.
        """
        if self.client is None:
            yield
            return
        self._tell("START", job, call)
        try:
            yield
        except NothingToDo:
            self._tell("ABORT", job, call)
            raise
        except BaseException as error:
            self._tell("FAIL", job, call, error)
            raise
        self._tell("COMPLETE", job, call)

    def _tell(
        self, kind: str, job: Job, call: Call, error: BaseException | None = None
    ) -> None:
        assert self.client is not None
        try:
            self.client.emit(event(kind, job, call, error))
        except Exception as failure:
            log.warning("lineage was not told of %s: %s", kind, failure)


def event(kind: str, job: Job, call: Call, error: BaseException | None = None) -> Any:
    """The event ``kind`` of one run of a job, with the tables that its steps read and write."""
    from openlineage.client.event_v2 import (
        InputDataset,
        OutputDataset,
        Run,
        RunEvent,
        RunState,
    )
    from openlineage.client.event_v2 import Job as TheirJob
    from openlineage.client.facet_v2 import error_message_run, nominal_time_run

    day = f"{call.business_date}T00:00:00Z"
    facets: dict[str, Any] = {"nominalTime": nominal_time_run.NominalTimeRunFacet(day)}
    if error is not None:
        said = str(error).split("\n")[0] or type(error).__name__
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(said, "python")
    run_id = str(uuid.uuid5(_OURS, f"{call.run_id}/{job.name}/{call.business_date}"))
    writes = [table for step in job.steps for table in step.writes]
    reads = dict.fromkeys(table for step in job.steps for table in step.reads)
    place = f"file://{call.lake.root.absolute()}"
    return RunEvent(
        eventTime=clock().isoformat(),
        producer=PRODUCER,
        run=Run(run_id, facets),
        job=TheirJob(NAMESPACE, job.name),
        eventType=getattr(RunState, kind),
        inputs=[InputDataset(place, _path(name)) for name in reads if name not in writes],
        outputs=[OutputDataset(place, _path(name)) for name in writes],
    )


def _path(table: str) -> str:
    return table if table in (LANDING, LANDED, FILES) else f"tables/{table}"


def _client(place: str) -> Any:
    try:
        from openlineage.client import OpenLineageClient
        from openlineage.client.transport.file import FileConfig, FileTransport
    except ImportError as error:
        raise UsageError(
            "the library of lineage is not installed", expected="openlineage-python",
            got="nothing", where="--lineage, or OPENLINEAGE_* in the environment",
            todo="pip install 'guiyi[lineage]'",
        ) from error
    if not place:
        return OpenLineageClient()
    if "://" in place:
        return OpenLineageClient(config={"transport": {"type": "http", "url": place}})
    return OpenLineageClient(transport=FileTransport(FileConfig(place, append=True)))
