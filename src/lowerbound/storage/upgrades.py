"""From the documents, leaves and columns of earlier releases to today's; all that is known of earlier formats stands here.

A document carries the version of its format, counted from 1. `UPGRADES[(format, version)]` makes the next version's document of
one: it fills a new field with what the release that wrote the file did, and drops what that release never read. What is
then still unknown is refused. To change a format: raise its number in `CURRENT`, add a step here, and store folders of the
last release in `tests/storage/saved/` before.

Version 1 is that of release 0.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..config.upgrade import upgraded_config

MODEL, ESTIMATOR, RUN, CHECKPOINT = "lowerbound-model", "lowerbound-estimator", "lowerbound-run", "lowerbound-checkpoint"
CURRENT: Mapping[str, int] = {MODEL: 2, ESTIMATOR: 2, RUN: 2, CHECKPOINT: 2}


def upgraded(format_name: str, version: int, document: dict[str, Any]) -> dict[str, Any]:
    """A document of any known version as one of today's; steps must not trust the types of what they find."""
    for number in range(version, CURRENT[format_name]):
        document = UPGRADES.get((format_name, number), dict)(document)
    return document


def renamed_leaf(format_name: str, version: int, name: str) -> str:
    """What a leaf of an earlier version's weights (`MODEL`) or state (`CHECKPOINT`) is called today."""
    for number in range(version, CURRENT[format_name]):
        for pattern, replacement in RENAMED_LEAVES.get((format_name, number), {}).items():
            name = re.sub(pattern, replacement, name)
    return name


def _model_1(document: dict[str, Any]) -> dict[str, Any]:
    """`config/upgrade.py` knows what the keys of a configuration meant; it is asked for what has the form of one."""
    sections = document.get("config")
    is_one = isinstance(sections, dict) and all(
        isinstance(keys, dict) and isinstance(keys.get("name", ""), str) for keys in sections.values()
    )
    return {**document, "config": upgraded_config(sections, "0.1.0")} if is_one else document


UPGRADES: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {(MODEL, 1): _model_1}
# Regular expressions over the dotted paths of leaves, in this order.
RENAMED_LEAVES: dict[tuple[str, int], dict[str, str]] = {}
# The header of `metrics.csv`, which has no version: old names of columns.
RENAMED_COLUMNS: dict[str, str] = {}
