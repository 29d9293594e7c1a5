from .dataset import Dataset
from .datasets import DatasetStatus, dataset_status, load_dataset
from .describe import describe
from .spec import DataSpec
from .splits import Split, consecutive_split, shuffled_split

# `transforms` is left out: it imports JAX, which a listing of data sets has no need of.
__all__ = [
    "DataSpec",
    "Dataset",
    "DatasetStatus",
    "Split",
    "consecutive_split",
    "dataset_status",
    "describe",
    "load_dataset",
    "shuffled_split",
]
