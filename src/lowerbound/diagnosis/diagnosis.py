"""All checks together: what is the matter with a run, the most important first."""

from __future__ import annotations

import dataclasses
from typing import Any

from . import collapse, data, fit, latent_number, likelihood, objective, prior_hole
from .finding import ORDER, Check, Finding
from .summary import RunSummary

CHECKS: tuple[Check, ...] = (
    *collapse.CHECKS,
    *fit.CHECKS,
    *likelihood.CHECKS,
    *prior_hole.CHECKS,
    *latent_number.CHECKS,
    *objective.CHECKS,
    *data.CHECKS,
)
SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """- `findings`: with the name of the check that made each, the most serious first.
    - `done`: the checks that were made. `impossible`: those that the run lacks something for (`Check.needs`).
    """

    findings: tuple[tuple[str, Finding], ...]
    done: tuple[Check, ...]
    impossible: tuple[Check, ...]

    def count(self, severity: str) -> int:
        """How many findings there are of this severity."""
        return sum(finding.severity == severity for _, finding in self.findings)

    @property
    def most_serious(self) -> Finding | None:
        """The first finding that is more than a note."""
        return next((finding for _, finding in self.findings if finding.severity != "note"), None)

    @property
    def verdict(self) -> str:
        """One line: how many findings of each kind, or that there is nothing to worry about."""
        counts = [
            f"{number} {word}{'s' if number > 1 and word != 'serious' else ''}"
            for word in ("serious", "warning", "note")
            if (number := self.count(word))
        ]
        if self.most_serious is None:
            notes = f", {counts[0]}" if counts else ""
            return f"nothing to worry about ({len(self.done)} checks{notes})"
        return f"{', '.join(counts)} ({len(self.done)} checks)"

    def to_json(self) -> dict[str, Any]:
        """Plain values: the schema of `lowerbound doctor --json`."""
        return {
            "version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "findings": [{"check": name, **dataclasses.asdict(finding)} for name, finding in self.findings],
            "checked": [check.name for check in self.done],
            "not_checked": [{"check": check.name, "needs": check.needs} for check in self.impossible],
        }


def diagnose(summary: RunSummary) -> Diagnosis:
    """Make every check that the run allows."""
    done = tuple(check for check in CHECKS if check.possible(summary))
    found = [(check.name, finding) for check in done if (finding := check.find(summary)) is not None]
    return Diagnosis(
        findings=tuple(sorted(found, key=lambda pair: ORDER[pair[1].severity])),
        done=done,
        impossible=tuple(check for check in CHECKS if check not in done),
    )
