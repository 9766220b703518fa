"""Reads a YAML definition into its typed structure, and says file and line when it is wrong."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
import yaml

from schemas.errors import ConfigError, FieldError

Definition = TypeVar("Definition")
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


def parse(text: str, file: str, kind: type[Definition]) -> Definition:
    """The definition ``text`` as a ``kind`` (a msgspec structure).

    Unknown keys, wrong types, missing keys and duplicates raise ConfigError with ``file:line``,
    what was expected and what came.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error, file) from error
    if root is None:
        raise ConfigError(
            "an empty definition", expected=kind.__name__, got="nothing", where=f"{file}:1"
        )
    _refuse_duplicates(root, file)
    try:
        return msgspec.convert(plain, kind, strict=True, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explained(error, root, file, kind) from None


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a definition, for editors that complete and check as one types."""
    return msgspec.json.schema(kind)


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is date and isinstance(value, datetime):
        return value.date()
    raise NotImplementedError


def _not_yaml(error: Exception, file: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    return ConfigError(
        "this is not YAML",
        expected="a YAML mapping",
        got=getattr(error, "problem", None) or str(error).splitlines()[0],
        where=f"{file}:{line}",
        todo="mend the line named; YAML indents with spaces",
    )


def _refuse_duplicates(node: yaml.Node, file: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_duplicates(child, file)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise ConfigError(
                f"the key {name!r} stands twice",
                expected="each key once",
                got=f"lines {seen[name]} and {line}",
                where=f"{file}:{line}",
                todo="remove one of the two",
            )
        seen[name] = line
        _refuse_duplicates(value, file)


def _explained(
    error: msgspec.ValidationError, root: yaml.Node, file: str, kind: type[Any]
) -> ConfigError:
    what, *places = re.split(r" - at `\$([^`]*)`", str(error))
    # A check of a structure names the place below it first, and then stands where that lies.
    path = "$" + "".join(reversed(places[::2]))
    unknown = re.search(r"unknown field `([^`]+)`", what)
    node = _node_at(root, path, unknown.group(1) if unknown else None)
    line = node.start_mark.line + 1
    expected, got = _expected_and_got(what)
    check = error.__cause__ if isinstance(error.__cause__, FieldError) else None
    return ConfigError(
        what,
        expected=(check and check.expected) or expected or f"the shape of {kind.__name__}",
        got=got or _shown(node),
        where=f"{file}:{line} ({path})",
        todo=(check and check.todo)
        or f"see the schema of {kind.__name__} in docs/definitions.md",
    )


def _expected_and_got(what: str) -> tuple[str, str]:
    found = re.match(r"Expected `(.+?)`, got `(.+?)`", what)
    return (found.group(1), found.group(2)) if found else ("", "")


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value)
    if isinstance(node, yaml.MappingNode):
        return "a mapping with keys " + ", ".join(str(key.value) for key, _ in node.value)
    return "a list"


def _node_at(root: yaml.Node, path: str, key: str | None) -> yaml.Node:
    """The node that ``path`` ($.a[0].b) names, or the key below it, or the nearest above."""
    node = root
    for name, index in _PATH_STEP.findall(path):
        child = _child(node, name) if name else None
        if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            child = node.value[int(index)]
        if child is None:
            break
        node = child
    if key is not None and isinstance(node, yaml.MappingNode):
        for found, _ in node.value:
            if found.value == key:
                return found  # type: ignore[no-any-return]
    return node


def _child(node: yaml.Node, name: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == name:
                return value  # type: ignore[no-any-return]
    return None
