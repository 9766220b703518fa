"""Reads a YAML definition into its typed structure, and says file and line when it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from domain.near import meant
from domain.shapes import STEP, examples_at, keys_at, words_at
from schemas.errors import ConfigError, FieldError

Definition = TypeVar("Definition")


@dataclass(frozen=True, slots=True)
class Lines:
    """Where each part of a definition stands in its file."""

    file: str
    root: yaml.Node

    def at(self, path: str, key: str = "") -> str:
        """``file:line`` of what stands at ``path`` ($.tags[0]), or of the key there."""
        return f"{self.file}:{_line(_node_at(self.root, path, key or None))}"

    def of_word(self, path: str, word: str, beside: str = "") -> str | None:
        """``file:line`` of the first scalar ``word`` at or below ``path``; None where none is.

        With ``beside`` only in mappings in which that other scalar stands as a value too.
        """
        for node in _words(_node_at(self.root, path, None), beside):
            if node.value == word:
                return f"{self.file}:{_line(node)}"
        return None

    def in_text(self, path: str, word: str) -> str | None:
        """``file:line`` of the first line with ``word`` in a text of several lines below ``path``.
        """
        for node in _words(_node_at(self.root, path, None), ""):
            if node.style == "|":
                for number, line in enumerate(str(node.value).split("\n"), 1):
                    if word in line:
                        return f"{self.file}:{_line(node) + number}"
        return None


@dataclass(frozen=True, slots=True)
class Placed(Generic[Definition]):
    """A definition, and where it stands: at ``path`` of a file."""

    definition: Definition
    lines: Lines
    path: str = "$"


def parse(text: str, file: str, kind: type[Definition]) -> Definition:
    """The definition ``text`` as a ``kind`` (a msgspec structure).

    Unknown keys, wrong types, missing keys and duplicates raise ConfigError with ``file:line``,
    what was expected and what came.
    """
    return parse_placed(text, file, kind).definition


def parse_placed(text: str, file: str, kind: type[Definition]) -> Placed[Definition]:
    """As ``parse``, with the lines of every part."""
    root, plain = _read(text, file, kind)
    return Placed(_converted(plain, kind, root, file, kind, ""), Lines(file, root))


def parse_items(
    text: str, file: str, kind: type[Any], part: str, item: type[Definition]
) -> tuple[list[Placed[Definition]], list[tuple[str, ConfigError]]]:
    """The items of the list ``part`` of a ``kind``, and of each wrong one its name and error.

    An error of the file as a whole has no name.
    """
    try:
        root, plain = _read(text, file, kind)
    except ConfigError as error:
        return [], [("", error)]
    listed = plain.get(part) if isinstance(plain, dict) else None
    found: list[Placed[Definition]] = []
    wrong: list[tuple[str, ConfigError]] = []
    for number, one in enumerate(listed if isinstance(listed, list) else []):
        path = f".{part}[{number}]"
        try:
            made = _converted(one, item, root, file, kind, path)
            found.append(Placed(made, Lines(file, root), f"${path}"))
        except ConfigError as error:
            wrong.append((str(one.get("name", "")) if isinstance(one, dict) else "", error))
    if not wrong:
        try:
            _converted(plain, kind, root, file, kind, "")
        except ConfigError as error:
            wrong.append(("", error))
    return found, wrong


def _converted(
    plain: Any, kind: type[Definition], root: yaml.Node, file: str, whole: type[Any], path: str
) -> Definition:
    try:
        return msgspec.convert(plain, kind, strict=True, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explained(error, root, file, whole, path) from None
    except RecursionError:
        raise _too_deep(file) from None


def _read(text: str, file: str, kind: type[Any]) -> tuple[yaml.Node, Any]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _refuse_duplicates(root, file)
            _refuse_odd_dates(root, file)
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise _not_yaml(error, file) from error
    except RecursionError:
        raise _too_deep(file) from None
    if root is None:
        raise ConfigError(
            "an empty definition", expected=kind.__name__, got="nothing", where=f"{file}:1"
        )
    return root, plain


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


def _too_deep(file: str) -> ConfigError:
    return ConfigError(
        "the definition is nested too deeply", expected="at most 100 levels", got="hundreds",
        where=f"{file}:1", todo="write less into each other, e.g. name audiences in audiences",
    )


def _refuse_odd_dates(root: yaml.Node, file: str) -> None:
    """A date that no calendar has is told with its line."""
    for token in _scalars(root):
        if token.tag == "tag:yaml.org,2002:timestamp":
            try:
                yaml.constructor.SafeConstructor().construct_yaml_timestamp(token)
            except ValueError as error:
                raise ConfigError(
                    "there is no such date", expected="a date such as 2017-02-28",
                    got=f"{token.value} ({error})", where=f"{file}:{token.start_mark.line + 1}",
                ) from error


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _scalars(part)
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _scalars(part)


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
    error: msgspec.ValidationError, root: yaml.Node, file: str, kind: type[Any], above: str
) -> ConfigError:
    what, *places = re.split(r" - at `\$([^`]*)`", str(error))
    # A check of a structure names the place below it first, and then stands where that lies.
    path = "$" + above + "".join(reversed(places[::2]))
    unknown = re.search(r"unknown field `([^`]+)`", what)
    node = _node_at(root, path, unknown.group(1) if unknown else None)
    expected, got = _expected_and_got(what)
    check = error.__cause__ if isinstance(error.__cause__, FieldError) else None
    known = keys_at(kind, path) if unknown else words_at(kind, path)
    said = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    return ConfigError(
        what,
        expected=(check and check.expected) or expected or _one_of(known)
        or f"the shape of {kind.__name__}",
        got=_got(got, node),
        where=f"{file}:{_line(node)} ({path})",
        todo=(check and check.todo) or meant(said, known) or _for_example(kind, path)
        or f"see the schema of {kind.__name__} in docs/definitions.md",
    )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _one_of(known: list[str]) -> str:
    return "one of " + ", ".join(sorted(set(known))) if known else ""


def _for_example(kind: type[Any], path: str) -> str:
    key = path.rpartition(".")[2]
    shown = [
        yaml.safe_dump(one, default_flow_style=True, allow_unicode=True).split("\n")[0]
        for one in examples_at(kind, path)
    ]
    return "write e.g. " + " or ".join(f"`{key}: {one}`" for one in shown) if shown else ""


def _expected_and_got(what: str) -> tuple[str, str]:
    found = re.match(r"Expected `(.+?)`, got `(.+?)`", what)
    if found:
        return found.group(1), found.group(2)
    bounded = re.match(r"Expected (`.+)", what)
    return (bounded.group(1).replace("`", ""), "") if bounded else ("", "")


def _got(kind: str, node: yaml.Node) -> str:
    if kind and isinstance(node, yaml.ScalarNode) and node.value:
        return f"{kind} ({node.value})"
    return kind or _shown(node)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value)
    if isinstance(node, yaml.MappingNode):
        return "a mapping with keys " + ", ".join(str(key.value) for key, _ in node.value)
    return "a list"


def _node_at(root: yaml.Node, path: str, key: str | None) -> yaml.Node:
    """The node that ``path`` ($.a[0].b) names, or the key below it, or the nearest above."""
    node = root
    for name, index in STEP.findall(path):
        child = _child(node, name) if name else None
        if index.isdecimal() and isinstance(node, yaml.SequenceNode):
            child = node.value[int(index)] if int(index) < len(node.value) else None
        if child is None:
            break
        node = child
    if key is not None and isinstance(node, yaml.MappingNode):
        for found, _ in node.value:
            if found.value == key:
                return found  # type: ignore[no-any-return]
    return node


def _words(node: yaml.Node, beside: str) -> Iterator[yaml.ScalarNode]:
    """Values and list items that are scalars; keys are none."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    parts = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        values = [value for _, value in node.value]
        if beside and any(getattr(value, "value", None) == beside for value in values):
            beside = ""
        parts = values
    for part in parts:
        if not (beside and isinstance(part, yaml.ScalarNode)):
            yield from _words(part, beside)


def _child(node: yaml.Node, name: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == name:
                return value  # type: ignore[no-any-return]
    return None
