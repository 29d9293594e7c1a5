"""What a fit leaves, and what is saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.spec import DataSpec

if TYPE_CHECKING:
    from ..assembly.automatic import Choice
    from ..config import ResolvedConfig
    from ..models import AbstractLatentVariableModel


class Fitted(NamedTuple):
    """What a fit leaves: the model, its data's description, its configuration, its parts given as objects, its history; and what
    the data chose, which is not stored."""

    model: AbstractLatentVariableModel
    spec: DataSpec
    config: ResolvedConfig
    parts: Mapping[str, Any]
    history: Mapping[str, np.ndarray]
    choices: tuple[Choice, ...] = ()
