from .feed import AbstractFeed, Resident, Streamed
from .loop import Trainer
from .preparation import prepare
from .program import TrainState
from .progress import ALL_EPOCHS, MONITOR, NOT_FINITE, STOPPED_EARLY, Progress, Record
from .schedule import Schedule

__all__ = [
    "ALL_EPOCHS",
    "MONITOR",
    "NOT_FINITE",
    "STOPPED_EARLY",
    "AbstractFeed",
    "Progress",
    "Record",
    "Resident",
    "Schedule",
    "Streamed",
    "TrainState",
    "Trainer",
    "prepare",
]
