from .diagnosis import CHECKS, Diagnosis, diagnose
from .examination import Examination, examine
from .finding import Check, Finding, Severity
from .summary import RunSummary, Score, scores_of

__all__ = [
    "CHECKS",
    "Check",
    "Diagnosis",
    "Examination",
    "Finding",
    "RunSummary",
    "Score",
    "Severity",
    "diagnose",
    "examine",
    "scores_of",
]
