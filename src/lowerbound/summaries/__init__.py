from .collect import summarize, summarize_model
from .examination import Examination, examine
from .summary import RunSummary, Score, scores_of

__all__ = ["Examination", "RunSummary", "Score", "examine", "scores_of", "summarize", "summarize_model"]
