"""All checks together: what is the matter with a run, the most important first."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..summaries import RunSummary
from . import collapse, data, fit, latent_number, likelihood, monitors, objective, prior_hole
from .finding import ORDER, Check, Finding

# Among findings as serious as each other this order decides; what else a diverged run looks like comes of that.
CHECKS: tuple[Check, ...] = (
    fit.DIVERGENCE,
    *collapse.CHECKS,
    *fit.CHECKS,
    *likelihood.CHECKS,
    *monitors.CHECKS,
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

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(str(finding) for _, finding in self.findings)])

    @property
    def lacking(self) -> str:
        """The checks that could not be made, by what the run lacks: `without X: this, that; without Y: another`."""
        titles: dict[str, list[str]] = {}
        for check in self.impossible:
            titles.setdefault(check.needs, []).append(check.title)
        return "; ".join(f"without {needs}: {', '.join(group)}" for needs, group in titles.items())

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
    checks = CHECKS
    if summary.is_untrained:
        # What the weights of the start look like says nothing.
        checks = tuple(check.impossible("a trained model") if check.needs_training else check for check in CHECKS)
    done = tuple(check for check in checks if check.possible(summary))
    found = [(check.name, finding) for check in done if (finding := check.find(summary)) is not None]
    return Diagnosis(
        findings=tuple(sorted(found, key=lambda pair: ORDER[pair[1].severity])),
        done=done,
        impossible=tuple(check for check in checks if check not in done),
    )
