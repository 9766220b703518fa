"""The folder of a result: made beside its place and moved there whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.edges.manifest import FILES
from pipelines.edges.previous import read_manifest
from schemas.errors import StorageError, UsageError

OURS = {"manifest.json", *(f"{name}.parquet" for name in FILES)}

@contextmanager
def made_whole(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to write the result to and one for work; at the end the first becomes ``out``.

    Where the block fails nothing is left. UsageError where ``out`` holds something else than an
    earlier result, StorageError where it cannot be written.
    """
    refuse_foreign(out)
    half = out.parent / f".{out.name}.{os.getpid()}"
    try:
        work = half / "work"
        work.mkdir(parents=True)
        result = half / "result"
        result.mkdir()
        yield result, work
        _put(result, out, half / "before")
    except OSError as error:
        raise StorageError(
            "the result could not be written",
            got=str(error),
            where=str(out),
            todo="free some disk space or mend the permissions, then run again",
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def refuse_foreign(out: Path) -> None:
    """UsageError where ``out`` is a file, or a folder with anything but an earlier result."""
    if out.is_dir():
        here = {path.name for path in out.iterdir()}
        if not here or (here <= OURS and read_manifest(out) is not None):
            return
    if out.exists():
        raise UsageError(
            "the place for the result is taken",
            expected="no folder, an empty one, or an earlier result of this command",
            got="a folder with other files" if out.is_dir() else "a file",
            where=str(out),
            todo="name another --out",
        )


def _put(result: Path, out: Path, before: Path) -> None:
    if out.exists():
        out.rename(before)
    try:
        result.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
