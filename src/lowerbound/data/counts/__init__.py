"""Counts with names: cells by genes, documents by words; sparse in their files."""

from .annotated import read_annotation
from .reading import COUNT_ENDINGS, Counts, read_counts
from .sparse import Memory

__all__ = ["COUNT_ENDINGS", "Counts", "Memory", "read_annotation", "read_counts"]
