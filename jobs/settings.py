"""Every definition in force, read once at the start of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lake import conf
from schemas.audiences import Audience
from schemas.exports import Export
from schemas.identity_rules import IdentityRules
from schemas.model_definitions import Model
from schemas.programme import Programme
from schemas.sources import Source
from schemas.tag_definitions import TagFile


@dataclass(frozen=True, slots=True)
class Settings:
    """The programme, sources, identity rules, tags, audiences and exports; frozen once read."""

    programme: Programme
    sources: list[Source]
    identity: IdentityRules
    tags: list[TagFile]
    models: list[Model]
    audiences: list[Audience]
    exports: list[Export]
    fingerprint: str


def read(folder: Path | None = None) -> Settings:
    """The definitions below ``folder`` (default: the packaged ``conf``); ConfigError says where."""
    return Settings(
        programme=conf.load("programme.yml", Programme, folder)[0],
        sources=conf.load("sources", Source, folder),
        identity=conf.load("identity.yml", IdentityRules, folder)[0],
        tags=conf.load("tags", TagFile, folder),
        models=conf.load("models", Model, folder),
        audiences=conf.load("audiences", Audience, folder),
        exports=conf.load("exports", Export, folder),
        fingerprint=conf.fingerprint(folder),
    )
