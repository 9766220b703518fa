"""What is held about a person, read from the newest release, the exports and the definitions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobs.privacy.elsewhere import exports_of, handed_over
from jobs.secret import refuse_other_secret
from jobs.settings import Settings
from lake.store import Lake
from pipelines import erasure, identity, tags
from pipelines.erasure.subject import subject
from schemas.errors import StorageError


def everything(lake: Lake, settings: Settings, who: str) -> dict[str, Any]:
    """All that is held about the person whom ``who`` names; NotFoundError where nobody is meant."""
    release, secret = lake.release(), lake.identifier_secret()
    labels = {tag.name: f"{tag.label} ({tag.name})" for tag in tags.declared(settings.tags)}
    with lake.reader() as session:
        refuse_other_secret(session, secret)
        region = settings.programme.region
        one_id = identity.find_person(session, who, region)
        found = subject(session, one_id, labels, settings.sources, region, secret)
        erasure.mark(session, erasure.belongings(session, one_id))
        given = exports_of(lake, session)
        told = handed_over(lake, session, given)
        erasure.unmark(session)
    return {
        "as of": {"release": release.release_no, "received before": release.cut},
        **found,
        "exports": [f"{name}, version {version}" for name, version in given],
        "given to others": told,
    }


def write(path: Path, content: bytes) -> None:
    """Write the answer for its reader alone; StorageError where it cannot be, or is there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
    except OSError as error:
        raise StorageError(
            "the answer could not be written", expected="a new file in a folder that is there",
            got=str(error), where=str(path), todo="name another file with --out",
        ) from error
