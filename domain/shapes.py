"""What a structure allows at a place: its keys, its fixed values, examples of what it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def keys_at(kind: type[Any], path: str) -> list[str]:
    """Keys of the mappings that may stand at ``path`` (``$.tags[0].window``)."""
    return [
        field.encode_name
        for one in _at(kind, path) if isinstance(one, inspect.StructType)
        for field in one.fields
    ]


def words_at(kind: type[Any], path: str) -> list[str]:
    """The fixed values that may stand at ``path``."""
    return [
        str(value)
        for one in _at(kind, path) if isinstance(one, inspect.LiteralType)
        for value in one.values
    ]


def examples_at(kind: type[Any], path: str) -> list[Any]:
    """Examples of what may stand at ``path``, where its declaration gives some."""
    above, _, last = path.rpartition(".")
    return [
        example
        for one in _at(kind, above) if isinstance(one, inspect.StructType)
        for field in one.fields if field.encode_name == last
        for example in _examples(field.type)
    ]


def _at(kind: type[Any], path: str) -> list[inspect.Type]:
    found = list(_bare(inspect.type_info(kind)))
    for name, _ in STEP.findall(path):
        found = [
            bare for one in found for inner in _below(one, name) for bare in _bare(inner)
        ]
    return found


def _below(one: inspect.Type, name: str) -> Iterator[inspect.Type]:
    if isinstance(one, inspect.StructType):
        yield from (field.type for field in one.fields if field.encode_name == name)
    elif isinstance(one, inspect.DictType):
        yield one.value_type
    elif isinstance(one, inspect.ListType) and not name:
        yield one.item_type


def _bare(one: inspect.Type) -> Iterator[inspect.Type]:
    """The alternatives of a union, without what is said about them."""
    if isinstance(one, inspect.UnionType):
        for part in one.types:
            yield from _bare(part)
    elif isinstance(one, inspect.Metadata):
        yield from _bare(one.type)
    else:
        yield one


def _examples(one: inspect.Type) -> list[Any]:
    if isinstance(one, inspect.Metadata):
        return list((one.extra_json_schema or {}).get("examples", []))
    return []


