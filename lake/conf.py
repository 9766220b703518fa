"""Finds definitions: those packaged in ``conf/base``, overridden by ``conf/local``."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from domain import definitions
from domain.definitions import Placed
from schemas.errors import ConfigError, NotFoundError

Definition = TypeVar("Definition")


def folder() -> Path:
    """The folder ``conf`` that this installation reads."""
    return Path(str(files("conf")))


def paths(part: str, conf: Path | None = None) -> list[Path]:
    """The YAML files of ``part`` (a file ``tags.yml`` or a folder ``sources``), local first."""
    found: dict[str, Path] = {}
    for layer in ("base", "local"):
        place = (conf or folder()) / layer / part
        if place.is_file():
            found[part] = place
        elif place.is_dir():
            found |= {path.name: path for path in sorted(place.glob("*.yml"))}
    if not found:
        raise NotFoundError(
            f"no definition {part!r}", where=str((conf or folder()) / "base" / part)
        )
    return [found[name] for name in sorted(found)]


def load(part: str, kind: type[Definition], conf: Path | None = None) -> list[Definition]:
    """Every definition of ``part`` as ``kind``, in order of file name."""
    return [load_file(path, kind) for path in paths(part, conf)]


def load_placed(
    part: str, kind: type[Definition], conf: Path | None = None
) -> list[Placed[Definition]]:
    """As ``load``, each with the lines of its parts."""
    return [
        definitions.parse_placed(text_of(path), str(path), kind) for path in paths(part, conf)
    ]


def load_file(path: Path, kind: type[Definition]) -> Definition:
    """One definition from a file; ConfigError names file and line."""
    return definitions.parse(text_of(path), str(path), kind)


def text_of(path: Path) -> str:
    """The text of a file of definitions; ConfigError when it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(
            "a definition that cannot be read",
            expected="a YAML file in UTF-8",
            got=type(error).__name__,
            where=f"{path}:1",
        ) from error


def fingerprint(conf: Path | None = None) -> str:
    """A short hash of every definition in force."""
    digest = hashlib.sha256()
    place = conf or folder()
    for layer in ("base", "local"):
        for path in sorted((place / layer).rglob("*.yml")):
            digest.update(str(path.relative_to(place)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
