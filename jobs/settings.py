"""Every definition in force, read once at the start of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from domain.definitions import Placed
from lake import conf
from schemas.audiences import Audience
from schemas.destinations import Destination
from schemas.errors import ConfigError, NotFoundError
from schemas.exports import Export
from schemas.identity_rules import IdentityRules
from schemas.model_definitions import Model
from schemas.patterns import Pattern
from schemas.programme import Programme
from schemas.sources import Source
from schemas.streaming import Streaming
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import TagFile
from schemas.topics import TopicRules

Named = TypeVar("Named", Source, Model, Audience, Export, Destination, Pattern)

Optional = TypeVar("Optional", Pattern, Streaming)


@dataclass(frozen=True, slots=True)
class Settings:
    """The programme, sources, identity rules, tags, audiences and exports; frozen once read."""

    programme: Programme
    sources: list[Source]
    identity: IdentityRules
    tags: list[Placed[TagFile]]
    tag_bounds: TagBounds
    models: list[Model]
    audiences: list[Audience]
    exports: list[Export]
    destinations: list[Destination]
    topics: TopicRules
    patterns: list[Pattern]
    streaming: Streaming
    fingerprint: str


def read(folder: Path | None = None) -> Settings:
    """The definitions below ``folder`` (default: the packaged ``conf``); ConfigError says where."""
    sources = _named("sources", conf.load("sources", Source, folder), folder)
    return Settings(
        programme=conf.load("programme.yml", Programme, folder)[0],
        sources=sources,
        identity=conf.load("identity.yml", IdentityRules, folder)[0],
        tags=conf.load_placed("tags", TagFile, folder),
        tag_bounds=conf.load("tag_bounds.yml", TagBounds, folder)[0],
        models=_named("models", conf.load("models", Model, folder), folder),
        audiences=_named("audiences", conf.load("audiences", Audience, folder), folder),
        exports=_named("exports", conf.load("exports", Export, folder), folder),
        destinations=_named(
            "destinations", conf.load("destinations", Destination, folder), folder
        ),
        topics=_topics(sources, folder),
        patterns=_patterns(folder),
        streaming=next(iter(_if_any("streaming.yml", Streaming, folder)), Streaming()),
        fingerprint=conf.fingerprint(folder),
    )


def _if_any(part: str, kind: type[Optional], folder: Path | None) -> list[Optional]:
    """What older folders of definitions do not have yet."""
    try:
        return conf.load(part, kind, folder)
    except NotFoundError:
        return []


def _patterns(folder: Path | None) -> list[Pattern]:
    found = _if_any("patterns", Pattern, folder)
    return _named("patterns", found, folder) if found else []


def _topics(sources: list[Source], folder: Path | None) -> TopicRules:
    """None where nothing is declared; ConfigError where a source cannot come over a topic."""
    try:
        rules = conf.load("topics.yml", TopicRules, folder)[0]
    except NotFoundError:
        return TopicRules()
    known = {source.name: source for source in sources}
    for topic in rules.topics:
        source = known.get(topic.source)
        fits = source is not None and source.format == "jsonl" and source.compression != "none"
        unknown = [name for name in topic.key if source and name not in source.columns]
        if not fits or unknown:
            raise ConfigError(
                f"the source {topic.source!r} cannot come over a topic",
                expected="a declared source of JSON lines, not `compression: none`, its columns",
                got="a key of " + ", ".join(unknown) if unknown else "no such source",
                where=str(conf.paths("topics.yml", folder)[0]) + ":1",
            )
    return rules


def _named(part: str, found: list[Named], folder: Path | None) -> list[Named]:
    """``found`` as they are; ConfigError when a name stands twice or is not that of its file."""
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"two definitions have the name {twice[0]!r}",
            expected="each name once",
            got=f"{names.count(twice[0])} files",
            where=f"conf/*/{part}",
            todo="rename one; a file in conf/local replaces the packaged one of its file name",
        )
    for one, path in zip(found, conf.paths(part, folder), strict=True):
        if one.name != path.stem:
            raise ConfigError(
                "a definition is called otherwise than its file",
                expected=f"name: {path.stem}",
                got=f"name: {one.name}",
                where=f"{path}:1",
                todo="give both one name, by which it is found again",
            )
    return found
