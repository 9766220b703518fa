"""The kinds of definitions that stand under ``conf/``, or are given with a command."""

from __future__ import annotations

from typing import Any

from schemas.audiences import Audience
from schemas.destinations import Destination
from schemas.exports import Export
from schemas.fuzzy import Matching
from schemas.identity_rules import IdentityRules
from schemas.model_definitions import Model
from schemas.patterns import Pattern
from schemas.programme import Programme
from schemas.sources import Source
from schemas.streaming import Streaming
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import TagFile
from schemas.topics import TopicRules

KINDS: dict[str, type[Any]] = {
    "programme": Programme,
    "source": Source,
    "identity": IdentityRules,
    "tags": TagFile,
    "tag_bounds": TagBounds,
    "audience": Audience,
    "export": Export,
    "destination": Destination,
    "model": Model,
    "topics": TopicRules,
    "pattern": Pattern,
    "streaming": Streaming,
}

GIVEN: dict[str, type[Any]] = {"matching": Matching}
"""Definitions that stand in a file of the caller's, named on the command line."""
