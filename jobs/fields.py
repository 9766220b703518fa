"""The fields of definitions with their meaning, read from the structures' own docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec


def described(kind: type[Any]) -> list[str]:
    """Markdown tables of the fields of ``kind`` and of every structure inside it."""
    lines: list[str] = []
    for one in structures(kind):
        says = (one.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        lines += [f"### `{one.__name__}`", "", says, "", "| key | type | default | meaning |"]
        lines += ["|---|---|---|---|"]
        meanings = _meanings(one)
        for field in msgspec.structs.fields(one):
            name = field.encode_name
            meaning = meanings.get(field.name, "")
            lines.append(f"| `{name}` | {_shown(field.type)} | {_default(field)} | {meaning} |")
        lines.append("")
    return lines


def structures(kind: type[Any]) -> list[type[Any]]:
    """``kind`` and the structures its fields hold, each once, the outer first."""
    found: list[type[Any]] = []
    waiting = [kind]
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found.append(one)
            waiting += [s for hint in get_type_hints(one).values() for s in _inside(hint)]
    return found


def _inside(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _inside(part)


def _meanings(kind: type[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if owner is not msgspec.Struct and issubclass(owner, msgspec.Struct):
            found |= _own_meanings(owner)
    return found


def _own_meanings(kind: type[Any]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    found = {}
    for field, text in zip(body, body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            value = getattr(text.value, "value", None)
            if isinstance(value, str) and isinstance(field.target, ast.Name):
                found[field.target.id] = " ".join(value.split()).replace("|", "\\|")
    return found


def _shown(hint: Any) -> str:
    text = msgspec.inspect.type_info(hint)
    return _type_name(text)


def _type_name(info: Any) -> str:
    kind = type(info).__name__.removesuffix("Type").lower()
    if kind == "literal":
        return " \\| ".join(f"`{value}`" for value in info.values)
    if kind == "union":
        return " or ".join(_type_name(part) for part in info.types)
    if kind in ("list", "vartuple"):
        return f"list of {_type_name(info.item_type)}"
    if kind == "dict":
        return f"mapping of {_type_name(info.key_type)} to {_type_name(info.value_type)}"
    if kind == "struct":
        return f"`{info.cls.__name__}`"
    return {
        "str": "text",
        "int": "integer",
        "float": "number",
        "bool": "true or false",
        "none": "nothing",
    }.get(kind, kind)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is msgspec.NODEFAULT or field.default in (None, (), ""):
        return ""
    return f"`{field.default}`".lower() if isinstance(field.default, bool) else f"`{field.default}`"
