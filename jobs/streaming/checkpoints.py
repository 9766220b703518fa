"""Where a streaming job stands: offsets, states and what it is about to say, in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from domain.keyed import Out
from schemas.errors import StorageError

State = TypeVar("State")


class Checkpoint(msgspec.Struct, Generic[State], array_like=True, kw_only=True):
    """Everything that a job goes on from; written whole or not at all."""

    offsets: dict[str, dict[int, int]] = {}
    """The next offset of each partition of each topic."""
    times: dict[str, dict[int, int]] = {}
    """The record time of the last record of each partition, milliseconds."""
    definitions: dict[str, bytes] = {}
    """In force, by name."""
    passed: int = 0
    states: dict[str, State] = {}
    wakes: dict[str, int] = {}
    outs: list[Out] = []
    """Said since the checkpoint before; they follow into the topic, where none stands before
    ``output``."""
    output: dict[int, int] = {}


def read(path: Path, state: type[Any]) -> Checkpoint[Any] | None:
    """The checkpoint in ``path`` with states of type ``state``; None when there is none yet."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found: Checkpoint[Any] = msgspec.msgpack.decode(
            content, type=Checkpoint[state]  # type: ignore[valid-type]
        )
    except msgspec.DecodeError as error:
        raise StorageError(
            "the state of a streaming job cannot be read", expected="a checkpoint of this version",
            got=str(error), where=str(path),
            todo="remove it to begin anew at the start of the topics, with another --output",
        ) from error
    return found


def write(path: Path, checkpoint: Checkpoint[Any]) -> None:
    """Put ``checkpoint`` in place of the one before; a crash leaves one of the two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    try:
        with open(fresh, "wb") as opened:
            opened.write(msgspec.msgpack.encode(checkpoint))
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(fresh, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageError(
            "the state of a streaming job cannot be written", got=str(error), where=str(path),
            todo="free some disk space, then start it again: it goes on from where it stood",
        ) from error
