"""A trained model that another run begins with: on new data, or trained in another way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..assembly.build import with_weights_of
from ..config import ResolvedConfig, RunConfig
from ..data.dataset import Dataset
from ..data.examples import in_form_of
from ..data.plausibility import check_like_training
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..storage.arrays import arrays_to_bytes
from ..storage.documents import sha256
from .planning import Before


@dataclasses.dataclass(frozen=True)
class Start:
    """A model with the description of its data, its configuration, and the folder that it was read from."""

    path: Path
    model: AbstractLatentVariableModel
    spec: DataSpec
    config: RunConfig

    def record(self) -> dict[str, Any]:
        """What the new run keeps of it."""
        return {"path": str(self.path.resolve()), "weights_sha256": sha256(arrays_to_bytes(self.model))}

    @property
    def before(self) -> Before:
        """What the plan of the new run is told of it."""
        return Before(self.spec, ResolvedConfig(self.config))

    def model_for(self, config: ResolvedConfig, dataset: Dataset) -> AbstractLatentVariableModel:
        """The model with its weights, after a look at the data that it is to be trained on.

        Raises `DataError` when they are not of the form, the units or the support of those that it was trained on.
        """
        if (self.spec.condition is None) != (dataset.condition is None):
            has = "without a condition" if self.spec.condition is None else f"with the condition {self.spec.condition.name!r}"
            raise ConfigurationError(
                f"data.condition is {dataset.condition_name!r}, but the model of {self.path} was trained {has}; expected the "
                "same."
            )
        examples = in_form_of(dataset, self.spec).examples
        self.model.check_values(examples, self.spec, name=dataset.name)
        check_like_training(examples, self.spec, name=dataset.name)
        if self.spec.condition is not None:
            self.spec.condition.check_like_training(dataset.condition)
        return with_weights_of(self.model, config, self.spec)
