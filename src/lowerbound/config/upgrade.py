"""Configurations that an earlier release wrote, as this release writes them. What is read here is never changed again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The first line of a `config.toml` says which release wrote it.
FIRST_LINE = "# The configuration of one run of lowerbound {}."
_WRITTEN_BY = re.compile(re.escape(FIRST_LINE).replace(r"\{\}", r"(\d+(?:\.\w+)+)") + "$")
# The keys and defaults of each section in release 0.1.0, and the keys that each part read.
_RELEASE_0_1 = Path(__file__).parent / "release_0_1.json"


def writing_release(toml: str) -> str:
    """The release that wrote the text of a `config.toml`; "" for a file of a person's own."""
    found = _WRITTEN_BY.match(toml.partition("\n")[0])
    return found[1] if found else ""


def upgraded_config(config: Mapping[str, Any], release: str) -> dict[str, Any]:
    """The nested dictionary `config`, written by `release`, in the form of this release; what it says is not changed."""
    if release.split(".")[:2] == ["0", "1"]:
        return _from_0_1(config)
    return dict(config)


def _from_0_1(config: Mapping[str, Any]) -> dict[str, Any]:
    """A section held the keys of all parts of its kind: those that its part never read are dropped.

    A key that is missing has the default of 0.1.0, which was one for all parts: an "iwae" that says nothing of num_samples took
    1. A key that 0.1.0 did not know is left for the checks to refuse.
    """
    upgraded = dict(config)
    for kind, known in json.loads(_RELEASE_0_1.read_text(encoding="utf-8")).items():
        defaults, section = known["defaults"], config.get(kind, {})
        name = section.get("name", defaults["name"])
        if name in known["parts"]:
            own = {key: defaults[key] for key in known["parts"][name]}
            said = {key: value for key, value in section.items() if key in own or key not in defaults}
            upgraded[kind] = {"name": name, **own, **said}
    return upgraded
