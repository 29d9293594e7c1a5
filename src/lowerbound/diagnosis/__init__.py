from .diagnosis import CHECKS, Diagnosis, diagnose
from .finding import Check, Finding, Severity

__all__ = ["CHECKS", "Check", "Diagnosis", "Finding", "Severity", "diagnose"]
