"""`--set section.key=value`: values are written as in TOML, and quotes may be left off where nothing else could be meant."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from ..errors import ConfigurationError, shortened, unknown_name_message
from .entry import KINDS
from .rules import Text
from .run import SECTIONS, check_keys, keys_of_section, merged, unknown_key_message

_BARE_WORD = re.compile(r"(?<![\w.+-])(?!(?:true|false|inf|nan)\b)[A-Za-z_][\w-]*")


def parse_overrides(overrides: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Overrides as a nested dictionary, later ones winning; section and key are checked, values only for being TOML.

    >>> parse_overrides(["objective.beta=4", "network.activations=[elu,tanh]"])
    {'objective': {'beta': 4}, 'network': {'activations': ['elu', 'tanh']}}
    """
    nested: dict[str, dict[str, Any]] = {}
    for override in overrides:
        dotted, equals, text = (piece.strip() for piece in override.partition("="))
        section, dot, key = dotted.partition(".")
        if not equals:
            raise ConfigurationError(
                f"override {override!r} has no '='; expected section.key=value, for example objective.beta=4."
            )
        if not dot:
            check_keys({section: None} if section not in SECTIONS else {section: text})
        if section not in SECTIONS:
            raise ConfigurationError(unknown_name_message(f"configuration section of override {override!r}", section, SECTIONS))
        keys = keys_of_section(section)
        if key not in keys and not (key == "name" and section in KINDS):
            raise ConfigurationError(unknown_key_message(section, key))
        value = _parse_value(dotted, text)
        if key in keys and isinstance(keys[key].rule, Text) and not isinstance(value, str):
            value = text
        nested = merged(nested, {section: {key: value}})
    return nested


def _parse_value(where: str, text: str) -> Any:
    """The TOML value of `text`; a bare word is text, and so is a bare word in a list. `where` begins an error's message.

    >>> _parse_value("training.epochs", "500"), _parse_value("training.optimizer", "adamw")
    (500, 'adamw')
    """
    for attempt in (text, _BARE_WORD.sub(r'"\g<0>"', text) if text.startswith("[") and '"' not in text else text):
        try:
            parsed = tomllib.loads(f"value = {attempt}")
        except RecursionError:
            raise ConfigurationError(
                f"{where} is {shortened(text)!r}, which is nested too deeply; expected a value or a list."
            ) from None
        except ValueError:
            # No TOML, or an integer of thousands of digits.
            continue
        if list(parsed) == ["value"]:
            return parsed["value"]
    if text[:1] in ("[", "{", '"', "'"):
        raise ConfigurationError(
            f"{where} is {shortened(text)!r}, which is not a TOML value; expected, for example, 4, adam or [200, 200]."
        )
    return text
