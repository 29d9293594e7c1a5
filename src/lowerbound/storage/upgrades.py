"""From the documents, leaves and columns of earlier releases to today's; all that is known of earlier formats stands here.

A document carries the version of its format, counted from 1. `UPGRADES[(format, version)]` makes the next version's document of
one: it fills a new field with what the release that wrote the file did, and drops what that release never read. What is
then still unknown is refused. To change a format: raise its number in `CURRENT`, add a step here, and store folders of the
last release in `tests/storage/saved/` before.

Version 1 is that of release 0.1.0.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# The first line of a `config.toml` says which release wrote it.
FIRST_LINE = "# The configuration of one run of lowerbound {}."
_WRITTEN_BY = re.compile(re.escape(FIRST_LINE).replace(r"\{\}", r"(\d+(?:\.\w+)+)") + "$")
# The keys and defaults of each section in release 0.1.0, and the keys that each part read.
_RELEASE_0_1 = Path(__file__).parent / "release_0_1.json"

MODEL, ESTIMATOR, RUN, CHECKPOINT = "lowerbound-model", "lowerbound-estimator", "lowerbound-run", "lowerbound-checkpoint"
EVALUATION, REPRODUCTION = "lowerbound-evaluation", "lowerbound-reproduction"
SWEEP, SWEEP_RESULT = "lowerbound-sweep", "lowerbound-sweep-result"
CURRENT: Mapping[str, int] = {
    MODEL: 3,
    ESTIMATOR: 2,
    RUN: 2,
    CHECKPOINT: 3,
    EVALUATION: 4,
    REPRODUCTION: 1,
    SWEEP: 1,
    SWEEP_RESULT: 1,
}


def upgraded(format_name: str, version: int, document: dict[str, Any]) -> dict[str, Any]:
    """A document of any known version as one of today's; steps must not trust the types of what they find."""
    for number in range(version, CURRENT[format_name]):
        document = UPGRADES.get((format_name, number), dict)(document)
    return document


@dataclasses.dataclass(frozen=True)
class OldLeaves:
    """The leaves of an earlier version's weights (`MODEL`) or state (`CHECKPOINT`), seen from today."""

    format_name: str
    version: int

    def renamed(self, name: str) -> str:
        """What a leaf of the file is called today."""
        for number in range(self.version, CURRENT[self.format_name]):
            for pattern, replacement in RENAMED_LEAVES.get((self.format_name, number), {}).items():
                name = re.sub(pattern, replacement, name)
        return name

    def constant(self, name: str) -> float | None:
        """What stood in the place of a leaf of today which the file's version had not; None for one that it had."""
        steps = (NEW_LEAVES.get((self.format_name, number), {}) for number in range(self.version, CURRENT[self.format_name]))
        return next((value for step in steps for pattern, value in step.items() if re.search(pattern, name)), None)


def writing_release(toml: str) -> str:
    """The release that wrote the text of a `config.toml`; "" for a file of a person's own."""
    found = _WRITTEN_BY.match(toml.partition("\n")[0])
    return found[1] if found else ""


def upgraded_config(config: Mapping[str, Any], release: str) -> dict[str, Any]:
    """The nested dictionary `config`, written by `release`, in the form of this release; what it says is not changed."""
    return _config_of_0_1(config) if release.split(".")[:2] == ["0", "1"] else dict(config)


def _config_of_0_1(config: Mapping[str, Any]) -> dict[str, Any]:
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


def _model_1(document: dict[str, Any]) -> dict[str, Any]:
    sections: Any = document.get("config")
    is_one = isinstance(sections, dict) and all(
        isinstance(keys, dict) and isinstance(keys.get("name", ""), str) for keys in sections.values()
    )
    found = {"config": _config_of_0_1(sections)} if is_one else {}
    if "data_spec" in document:
        found["data_spec"] = _data_spec_1(document["data_spec"])
    return {**document, **found}


def _data_spec_1(fields: Any) -> Any:
    """Release 0.1.0 took any shape that pictures can have for pictures, kept no origin and no plausible limits."""
    shape = fields.get("event_shape") if isinstance(fields, dict) else None
    if not isinstance(shape, list):
        return fields
    is_picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return {"layout": "pictures" if is_picture else "rows", **fields}


def _estimator_1(document: dict[str, Any]) -> dict[str, Any]:
    """The history has the columns of `metrics.csv`."""
    history = document.get("history")
    if not isinstance(history, dict):
        return document
    return {**document, "history": {RENAMED_COLUMNS.get(name, name): column for name, column in history.items()}}


def _evaluation_1(document: dict[str, Any]) -> dict[str, Any]:
    """Release 0.1.0 did not say what p(x) was given; the section of the likelihood, which `RunFolder` adds, tells. It knew no
    random weights."""
    likelihood = document.pop("likelihood", {})
    with_size = "total as size" if likelihood.get("library_size") else None
    return {"given": "total" if likelihood.get("name") == "multinomial" else with_size, **document}


def _evaluation_2(document: dict[str, Any]) -> dict[str, Any]:
    """Release 0.2.0 knew no models whose weights are random."""
    return {"weights_kl_nats": None, **document}


def _evaluation_3(document: dict[str, Any]) -> dict[str, Any]:
    """Before tables with columns of several kinds no score had a part that is a probability and one that is a density."""
    return {"discrete_log_evidence_nats": None, **document}


UPGRADES: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    (MODEL, 1): _model_1,
    (ESTIMATOR, 1): _estimator_1,
    (EVALUATION, 1): _evaluation_1,
    (EVALUATION, 2): _evaluation_2,
    (EVALUATION, 3): _evaluation_3,
}
# Regular expressions over the dotted paths of leaves, in this order.
_TRACKED = {r"\btracked_log_variance$": "tracked_log_variance.value"}
RENAMED_LEAVES: dict[tuple[str, int], dict[str, str]] = {(MODEL, 1): _TRACKED, (CHECKPOINT, 1): _TRACKED}
# The leaves that the next version had anew, as regular expressions over today's paths, and the number in each of their elements
# with which a model of the earlier release does what it did: 0 for a shift, or for an optimiser's moments of it.
# A law with a mass at 0 started with half of all numbers there.
_ATOMS = {r"\.atoms$": 0.0, r"\.shares$": 0.5}
NEW_LEAVES: dict[tuple[str, int], dict[str, float]] = {(MODEL, 2): _ATOMS, (CHECKPOINT, 2): _ATOMS}
# The header of `metrics.csv`, which has no version: old names of columns.
RENAMED_COLUMNS: dict[str, str] = {"fraction_at_floor": "monitor/fraction_at_floor"}
