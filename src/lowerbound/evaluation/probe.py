"""How much of a label a straight line finds in the codes, beside principal components of the same number."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import DataError
from ..models import AbstractLatentVariableModel
from .classes import completed
from .fidelity.coding import Grouping, as_numbers, is_category
from .latents import in_blocks, posterior_means

# Enough for a straight line, and for an accuracy within a hundredth.
MOST_ROWS = 5000
_MOST_CLASSES = 100
_MOST_LEVELS = 20
_MOST_ELEMENTS = 4096


@dataclasses.dataclass(frozen=True)
class Probe:
    """Accuracy on rows that the line was not fitted to.

    - `label`: what is told. `num_classes`, `num_fitted`, `num_rows`: how many, of the rows fitted to and asked of.
    - `codes`, `components`, `inputs`: the accuracy from E[z|x], from as many principal components of the inputs as there are
      latents, and from all inputs; `majority`: of the class that most rows fitted to have.
    - `ahead`: how much more of the rows are right from codes than from components, `ahead_error` its standard error over rows.
    """

    label: str
    num_classes: int
    num_latents: int
    num_fitted: int
    num_rows: int
    codes: float
    components: float
    inputs: float
    majority: float
    ahead: float
    ahead_error: float

    def error(self, accuracy: float) -> float:
        """The standard error of an accuracy over so many rows."""
        return float(np.sqrt(max(accuracy * (1 - accuracy), 0.0) / self.num_rows))

    @property
    def words(self) -> str:
        """One paragraph."""
        codes, components = (f"{each:.1%} ± {self.error(each):.1%}" for each in (self.codes, self.components))
        return (
            f"A straight line (logistic regression) tells {self.label} from {self.num_latents} latents in {codes} of "
            f"{self.num_rows:,} rows that it was not fitted to, and from as many principal components in {components}; the "
            f"difference is {self.ahead:+.1%} ± {self.ahead_error:.1%}. From all inputs it is right in {self.inputs:.1%}, and "
            f"the commonest of {self.num_classes} classes in {self.majority:.1%}."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return dataclasses.asdict(self)


class LabelledRows(NamedTuple):
    """Examples as the model sees them, the same rows (n, *event_shape) in the user's units, and their labels, (n,)."""

    examples: Example
    rows: np.ndarray
    labels: np.ndarray


def has_classes(values: np.ndarray, spec: DataSpec, place: int) -> bool:
    """Whether an element's values are categories, or a few levels."""
    return spec.columns[place].is_coded if spec.columns else len(np.unique(values[~np.isnan(values)])) <= _MOST_LEVELS


def probe_codes(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    fitted: LabelledRows,
    asked: LabelledRows,
    *,
    label: str,
    place: int | None = None,
    seed: int = 0,
) -> Probe:
    """How well a straight line tells a label from E[z|x], beside principal components of the inputs.

    - `fitted`, `asked`: the rows that the line is fitted to, and those that it is asked of. `label`: its name, for messages.
    - `place`: the element that is the label, which then is hidden from the encoder and from the components.

    Raises `DataError` as `linear_probe` does.
    """
    codes, inputs = [], []
    for side in (fitted, asked):
        examples = side.examples
        if place is not None:
            kept = np.ones(examples.x.shape, bool)
            kept[:, place] = False
            examples = examples.showing(kept)
        examples = completed(model, dataclasses.replace(examples, weight=None))
        codes.append(in_blocks(model, lambda block: posterior_means(model, block), examples))
        inputs.append(inputs_of(side.rows, fitted.rows, spec, place))
    labels = fitted.labels, asked.labels
    return linear_probe(label, (codes[0], codes[1]), (inputs[0], inputs[1]), labels, seed=seed)


def inputs_of(rows: np.ndarray, training: np.ndarray, spec: DataSpec, without: int | None = None) -> np.ndarray:
    """(n, features) examples as numbers for a linear method: categories one-hot, their holes 0; holes of numbers at the mean.

    - `rows`, `training`: (n, *event_shape) in the user's units, NaN for no value. `without`: an element that is left out.

    Pictures of more than 4,096 pixels are thinned out evenly.
    """
    flat, reference = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (rows, training))
    if not spec.columns:
        kept = np.arange(0, flat.shape[1], -(-flat.shape[1] // _MOST_ELEMENTS))
        kept = kept[kept != (-1 if without is None else without)]
        return _filled(flat[:, kept], reference[:, kept])
    columns = spec.columns
    grouping = Grouping(reference, columns)
    groups = grouping.groups(flat)
    numbers = _filled(as_numbers(flat, columns), as_numbers(reference, columns))
    parts = []
    for place, column in enumerate(columns):
        if place != without:
            one_hot = groups[:, [place]] == np.arange(grouping.sizes[place])
            parts.append(one_hot.astype(np.float64) if is_category(column) else numbers[:, [place]])
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(flat), 1))


def _filled(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    present = ~np.isnan(reference)
    mean = np.where(present, reference, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return np.where(np.isnan(rows), mean, rows)


def linear_probe(
    label: str,
    codes: tuple[np.ndarray, np.ndarray],
    inputs: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    *,
    seed: int = 0,
) -> Probe:
    """The accuracy of a label from codes, from principal components and from all inputs, by scikit-learn's logistic regression.

    - `label`: its name, for messages. `codes`: (n, latents), `inputs`: (n, features), `labels`: (n,), each of the rows fitted to
      and of those asked of.

    Everything is standardised by the rows fitted to. Raises `DataError` for fewer than two classes, or more than a hundred.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y, y_new = labels
    classes, counts = np.unique(y, return_counts=True)
    if not 2 <= len(classes) <= _MOST_CLASSES or not len(y_new):
        raise DataError(
            f"{label} has {len(classes)} different values among {len(y):,} rows to fit to, and {len(y_new):,} rows to ask of; "
            f"expected 2 to {_MOST_CLASSES} classes, and rows with a label on both sides."
        )

    def right(parts: tuple[np.ndarray, np.ndarray], num_components: int | None = None) -> np.ndarray:
        steps: list[Any] = [StandardScaler()]
        if num_components is not None:
            steps += [PCA(num_components, random_state=seed), StandardScaler()]
        return make_pipeline(*steps, LogisticRegression(max_iter=1000)).fit(parts[0], y).predict(parts[1]) == y_new

    size = codes[0].shape[1]
    by_codes, by_inputs = right(codes), right(inputs)
    by_components = right(inputs, min(size, *inputs[0].shape))
    difference = by_codes.astype(np.float64) - by_components
    return Probe(
        label=label,
        num_classes=len(classes),
        num_latents=size,
        num_fitted=len(y),
        num_rows=len(y_new),
        codes=float(by_codes.mean()),
        components=float(by_components.mean()),
        inputs=float(by_inputs.mean()),
        majority=float((y_new == classes[counts.argmax()]).mean()),
        ahead=float(difference.mean()),
        ahead_error=float(difference.std() / np.sqrt(len(difference))),
    )
