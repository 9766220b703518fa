"""The job ``exports``: files of each audience of a release, by their recipes."""

from __future__ import annotations

from datetime import date
from typing import Any

from jobs.settings import Settings
from lake import exports
from lake.store import Lake
from pipelines.audiences.compile import version
from pipelines.audiences.export import build
from pipelines.tags import declared, show_sparse_tags
from schemas.errors import ConfigError, NothingToDo


def publish(lake: Lake, settings: Settings, day: date) -> list[dict[str, Any]]:
    """Write every declared export of the release of ``day``; returns the manifests of the new.

    NothingToDo when each has been written with the same content before.
    """
    audiences = {audience.name: audience for audience in settings.audiences}
    tags = declared(settings.tags)
    fresh = []
    with lake.reader(day) as session:
        show_sparse_tags(session)
        for recipe in settings.exports:
            if recipe.audience not in audiences:
                raise ConfigError(
                    f"there is no audience {recipe.audience!r}",
                    expected="one of " + ", ".join(audiences),
                    got=recipe.audience,
                    where=f"export {recipe.name}",
                )
            built = build(session, recipe, day, tags, version(audiences[recipe.audience]))
            if not exports.has(lake.exports, recipe.name, built.version):
                place = (lake.exports, recipe.name, built.version)
                exports.write(*place, built.files, built.manifest)
                fresh.append(built.manifest)
    if not fresh:
        raise NothingToDo(f"nothing to do: the exports of {day} are written")
    return fresh
