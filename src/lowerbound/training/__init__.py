from .loop import ALL_EPOCHS, NOT_FINITE, STOPPED_EARLY, Progress, Record, Trainer
from .options import Schedule, TrainingOptions
from .program import TrainState

__all__ = [
    "ALL_EPOCHS",
    "NOT_FINITE",
    "STOPPED_EARLY",
    "Progress",
    "Record",
    "Schedule",
    "TrainState",
    "Trainer",
    "TrainingOptions",
]
