"""What comes from a file is checked at the door: each value against the type that a dataclass states for it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union

from ..errors import ModelFolderError, closest_name

T = TypeVar("T")
# Beyond these no file of ours goes; Python would spend its memory or its stack on them.
_LARGEST_INTEGER = 2**63 - 1
_DEEPEST = 20


def checked(cls: type[T], fields: Any, source: str, name: str = "") -> T:
    """An instance of the dataclass `cls` from plain values; lists become tuples where tuples are stated.

    - `source`: the file, for messages. `name`: of these fields within it, with a dot at its end; empty at the top.

    Raises `ModelFolderError` with the file, the field, what was got and what was expected: a wrong type, a missing field that
    has no default, a field that is not known.
    """
    if not isinstance(fields, Mapping):
        raise _wrong(source, name.rstrip(".") or "it", fields, "an object with fields")
    kinds = _kinds(cls)
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # pyright: ignore[reportArgumentType]
    for key in fields:
        if key not in known:
            hint = f" (is {nearest} meant?)" if (nearest := closest_name(str(key), known)) else ""
            raise ModelFolderError(f"{source}: the field {name}{key} is not known{hint}; expected {', '.join(known)}.")
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.init and field.name not in fields and not has_default:
            raise ModelFolderError(f"{source}: the field {name}{field.name} is missing; expected {_words(kinds[field.name])}.")
    return cls(**{key: _value(kinds[key], value, source, f"{name}{key}", 0) for key, value in fields.items()})


@functools.cache
def _kinds(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _value(kind: Any, value: Any, source: str, name: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise _wrong(source, name, value, f"at most {_DEEPEST} levels")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return checked(kind, value, source, f"{name}.")
    if origin in (Union, types.UnionType):
        for argument in arguments:
            with contextlib.suppress(ModelFolderError):
                return _value(argument, value, source, name, depth)
    if origin is Literal and isinstance(value, str) and value in arguments:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_value(arguments[0], item, source, f"{name}[{i}]", depth + 1) for i, item in enumerate(value))
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _value(arguments[1], item, source, f"{name}.{key}", depth + 1) for key, item in value.items()}
    if kind is Any:
        inner = dict[str, Any] if isinstance(value, dict) else tuple[Any, ...] if isinstance(value, list) else None
        if inner is not None:
            _value(inner, value, source, name, depth)
        elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
            raise _wrong(source, name, value, "an integer of at most 63 bits")
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300:
        return float(value)
    if kind is float and isinstance(value, float):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER:
        return value
    if kind in (str, bool, type(None)) and isinstance(value, kind):
        return value
    raise _wrong(source, name, value, _words(kind))


def _words(kind: Any) -> str:
    """A type as a person says it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(_words(argument) for argument in arguments)
    if origin is tuple:
        return "a list"
    if origin in (dict, Mapping) or dataclasses.is_dataclass(kind):
        return "an object with fields"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}.get(
        kind, "a value"
    )


def _wrong(source: str, name: str, value: Any, expected: str) -> ModelFolderError:
    try:
        shown = repr(value)
    except (RecursionError, ValueError):
        shown = f"a {type(value).__name__} too large to show"
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ModelFolderError(f"{source}: {name} is {shown}; expected {expected}.")
