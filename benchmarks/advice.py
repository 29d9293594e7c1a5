"""Does the doctor's advice help? Runs that have a finding are trained again by the command that the doctor gives for it.

    python benchmarks/advice.py [CHECK ...] --json FILE

Each case is a named set or a table, trained by `lowerbound train` with settings that plant one fault. If the doctor finds it, its
command is run as it stands; then a line says whether the finding has gone, and what became of log p(x) on validation examples
(1000 importance samples), where both numbers are of one measure. What is in FILE already is not run again.
"""

from __future__ import annotations

import argparse
import math
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from defaults import done_in, keep, lowerbound, options_of, prepared

SHORT = ("training.epochs=60", "training.early_stopping_patience=0")
# Per check: three cases, each a set of benchmarks/defaults.py and the settings that plant the fault.
FAULTS: dict[str, Sequence[tuple[str, Sequence[str]]]] = {
    "posterior-collapse": (
        ("digits", ("objective.beta=20", "objective.warmup_epochs=0")),
        ("concrete", ("objective.beta=20", "objective.warmup_epochs=0")),
        ("pendigits", ("objective.beta=20", "objective.warmup_epochs=0", *SHORT)),
    ),
    "kl-weight": (
        ("digits", ("objective.beta=4", *SHORT)),
        ("concrete", ("objective.beta=4",)),
        ("pendigits", ("objective.beta=0.1", *SHORT)),
    ),
    "codes-outside-prior": (
        ("digits", ("objective.beta=0.01", "prior.name=standard-normal", *SHORT)),
        ("concrete", ("objective.beta=0.01", "prior.name=standard-normal")),
        ("pendigits", ("objective.beta=0.01", "prior.name=standard-normal", *SHORT)),
    ),
    "prior-hole": (
        ("digits", ("prior.name=standard-normal", "model.latent_dim=2", *SHORT)),
        ("pendigits", ("prior.name=standard-normal", "model.latent_dim=3", *SHORT)),
        ("cells", ("prior.name=standard-normal", "model.latent_dim=2", *SHORT)),
    ),
    "too-few-latents": (
        ("digits", ("model.latent_dim=2", *SHORT)),
        ("concrete", ("model.latent_dim=1",)),
        ("pendigits", ("model.latent_dim=2", *SHORT)),
    ),
    "unused-latents": (
        ("digits", ("model.latent_dim=64", "prior.name=standard-normal", *SHORT)),
        ("concrete", ("model.latent_dim=40", "prior.name=standard-normal")),
        ("pendigits", ("model.latent_dim=60", "prior.name=standard-normal", *SHORT)),
    ),
    "overfitting": (
        ("digits", ("network.dropout=0", "training.weight_decay=0", "training.early_stopping_patience=0", "training.epochs=200")),
        ("concrete", ("training.weight_decay=0", "training.early_stopping_patience=0", "network.hidden_widths=[400, 400]")),
        ("letter", ("network.dropout=0", "training.weight_decay=0", "training.early_stopping_patience=0")),
    ),
    "past-best": (
        ("digits", ("network.dropout=0", "training.weight_decay=0", "training.early_stopping_patience=0", "training.epochs=200")),
        ("concrete", ("training.weight_decay=0", "training.early_stopping_patience=0", "network.hidden_widths=[400, 400]")),
        ("letter", ("network.dropout=0", "training.weight_decay=0", "training.early_stopping_patience=0")),
    ),
    "under-training": (
        ("digits", ("training.epochs=20", "training.learning_rate=0.0001", "training.early_stopping_patience=0")),
        ("concrete", ("training.epochs=40", "training.learning_rate=0.0003", "training.early_stopping_patience=0")),
        ("pendigits", ("training.epochs=20", "training.learning_rate=0.0003", "training.early_stopping_patience=0")),
    ),
    "scale-floor": (
        ("digits", ("likelihood.name=gaussian", *SHORT)),
        ("concrete", ("training.weight_decay=0",)),
        ("letter", ("likelihood.name=gaussian",)),
    ),
    "likelihood-fit": (
        ("concrete", ("likelihood.name=laplace", "likelihood.scale=shared")),
        ("cells", ("likelihood.name=poisson", *SHORT)),
        ("cardio", ("likelihood.name=gaussian",)),
    ),
    "divergence": (
        ("digits", ("training.learning_rate=0.3", "training.skip_spikes=false", "training.gradient_clip=0", *SHORT)),
        ("concrete", ("training.learning_rate=0.3", "training.skip_spikes=false", "training.gradient_clip=0")),
        ("pendigits", ("training.learning_rate=0.3", "training.skip_spikes=false", "training.gradient_clip=0", *SHORT)),
    ),
    "samples-alike": (
        ("digits", ("objective.beta=8", "objective.warmup_epochs=0", *SHORT)),
        ("pendigits", ("objective.beta=8", "objective.warmup_epochs=0", *SHORT)),
        ("cardio", ("objective.beta=4",)),
    ),
}


def scored(run: str, data: Path) -> tuple[float, str]:
    """log p(x) on validation examples in nats, and its measure; NaN where the weights that are left have no finite one."""
    found = lowerbound(
        "evaluate", run, "--samples", "1000", "--split", "validation", "--json", "--data-dir", str(data), may_fail=True
    )
    if found is None:
        return math.nan, ""
    evidence = found["log_evidence_nats"]
    return math.nan if evidence is None else evidence, found["measure"]


def findings(run: str, data: Path) -> dict[str, dict[str, str]]:
    """What the doctor finds beyond notes, by check."""
    found = lowerbound("doctor", run, "--split", "validation", "--json", "--data-dir", str(data))["findings"]
    return {finding["check"]: finding for finding in found if finding["severity"] != "note"}


def run_case(check: str, name: str, settings: Sequence[str], data: Path) -> dict[str, Any]:
    """Plant, find, follow, look again."""
    row: dict[str, Any] = {"check": check, "set": name, "settings": list(settings), "found": False}
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        sick, cured = str(folder / "sick"), str(folder / "cured")
        given = [part for setting in settings for part in ("--set", setting)]
        directory = ["--data-dir", str(data)]
        # A loss that is not finite ends it with an error, which is the fault.
        lowerbound("train", prepared(name, data, folder), "--out", sick, "--json", *given, *directory, may_fail=True)
        before = findings(sick, data)
        if check not in before:
            return row | {"others": list(before)}
        command = shlex.split(before[check]["command"])
        row |= {"found": True, "advice": before[check]["advice"], "command": " ".join(command[4:])}
        row["before"], measure = scored(sick, data)
        if not command:
            return row
        lowerbound(*command[1:], "--out", cured, "--json", *directory)
        row["after"], measure_after = scored(cured, data)
        row["one_measure"] = measure in (measure_after, "")
        after = findings(cured, data)
        row |= {"gone": check not in after, "left": list(after)}
    return row


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line a case."""
    lines = ["| finding | set | the doctor's settings | gone | log p(x) before, after, nats | what is left |", "| --- " * 6 + "|"]
    for row in rows:
        if not row["found"]:
            cells = [row["check"], row["set"], "not found", "", "", ", ".join(row["others"])]
        elif "after" not in row:
            cells = [row["check"], row["set"], "no command", "", f"{row['before']:.2f}", ""]
        else:
            evidence = f"{row['before']:.2f}, {row['after']:.2f}{'' if row['one_measure'] else ' (another measure)'}"
            gone = "yes" if row["gone"] else "no"
            cells = [row["check"], row["set"], row["command"], gone, evidence, ", ".join(row["left"]) or "nothing"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(FAULTS)}; all by default")
    options = options_of(parser)
    rows = done_in(options.json)
    for check in options.checks or FAULTS:
        for name, settings in FAULTS[check]:
            if any((row["check"], row["set"], row["settings"]) == (check, name, list(settings)) for row in rows):
                continue
            rows.append(run_case(check, name, settings, options.data_dir))
            keep(rows, options.json)
    print(table(rows))


if __name__ == "__main__":
    main()
