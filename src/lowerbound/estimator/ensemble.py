"""Several VAEs of the same data, which differ in their seeds, as one density."""

from __future__ import annotations

import math
import typing
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ..config.rules import COUNT
from ..config.sections import LARGEST_SEED
from ..errors import ConfigurationError
from ..storage.memory import check_number_fits
from .fitted import EVIDENCE_SAMPLES
from .inputs import condition_values, same_seed, seed_from, with_examples_tags
from .vae import VAE

if TYPE_CHECKING:
    from ..training.programs import Programs


class EnsembleVAE(DensityMixin, BaseEstimator):
    r"""The mean of the densities of several VAEs, which is a density again: p(x) = (1/M) \sum_m p_m(x).

    The members differ in their seeds: in where their weights begin, in the order of the examples, in the noise and in the
    validation rows. They train at the same time: on CPU one on each core, on an accelerator as one program. What they disagree
    about is what the data leave open: `score_samples(X, return_std=True)` says how much.

    Parameters
    ----------
    vae : VAE, default=None
        What each member is, unfitted; None is `VAE()`.
    n_members : int, default=5
        How many.
    n_jobs : int, default=None
        How many train at once; None is one on each core of a CPU, and all of them as one program on an accelerator.
    random_state : int, RandomState or None, default=None
        The seed of the first member; the others have those that follow.

    Attributes
    ----------
    members_ : list of VAE
        The fitted members.
    n_features_in_, feature_names_in_
        As in `VAE`.

    Examples
    --------
    >>> import numpy as np
    >>> from lowerbound import EnsembleVAE, VAE
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> small = VAE(latent_dim=1, hidden_widths=(8,), epochs=5)
    >>> ensemble = EnsembleVAE(small, n_members=2, random_state=0).fit(X)
    >>> mean, std = ensemble.score_samples(X[:3], return_std=True)
    >>> mean.shape, std.shape, ensemble.sample(4, random_state=0).shape
    ((3,), (3,), (4, 2))
    """

    members_: list[VAE]
    n_features_in_: int

    @typing.no_type_check  # scikit-learn's convention: anything may be set, and `fit` is what refuses it
    def __init__(
        self, vae: VAE | None = None, *, n_members: int = 5, n_jobs: int | None = None, random_state: Any = None
    ) -> None:
        self.vae = vae
        self.n_members = n_members
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, **of_fit: Any) -> EnsembleVAE:
        """Train the members; `of_fit` is what `VAE.fit` takes beside `X`.

        Raises what `VAE.fit` raises, and `ConfigurationError` when a parameter is not possible; what was fitted stays then.
        """
        from ..training.together import side_by_side, train_as_one

        count = COUNT.convert("n_members", self.n_members)
        seed = same_seed(self.random_state)
        if self.vae is not None and not isinstance(self.vae, VAE):
            raise ConfigurationError(f"vae is a {type(self.vae).__name__}; expected a VAE, or None for VAE().")
        jobs = None if self.n_jobs is None else COUNT.convert("n_jobs", self.n_jobs)
        members: list[VAE] = []
        for number in range(count):
            member: Any = clone(VAE() if self.vae is None else self.vae)
            members.append(member.set_params(random_state=seed + number))
        tasks = [lambda place, member=member: _fitted(member, place.programs, X, of_fit) for member in members]
        self.members_ = side_by_side(tasks, jobs, as_one=train_as_one())
        self.n_features_in_ = self.members_[0].n_features_in_
        if hasattr(self.members_[0], "feature_names_in_"):
            self.feature_names_in_ = self.members_[0].feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def score_samples(
        self, X: Any, num_samples: int = EVIDENCE_SAMPLES, *, condition: Any = None, return_std: bool = False
    ) -> Any:
        """log p(x) of each example in nats, (n,): the logarithm of the mean of the members' densities.

        Each member's is `VAE.score_samples`, a lower bound in expectation, and so is this. With `return_std` also the standard
        deviation over members of log p_m(x), (n,): large where the data say little of how likely x is.
        """
        check_is_fitted(self)
        from ..evaluation import masses_of

        if len({masses_of(member.model_, member.spec_) for member in self.members_}) > 1:
            raise ConfigurationError(
                "the members give probabilities to different values, because other values recur in the rows that each "
                "learned from (members_[i].spec_.atoms), and a probability and a density have no mean. Give all a law that has "
                "none, such as EnsembleVAE(VAE(likelihood='gaussian-mixture')), or the same rows: VAE(validation=0)."
            )
        each = np.stack([member.score_samples(X, num_samples, condition=condition) for member in self.members_])
        density = logsumexp(each, axis=0) - np.log(len(each))
        return (density, each.std(axis=0)) if return_std else density

    def score(self, X: Any, y: Any = None, *, condition: Any = None) -> float:
        """The mean of `score_samples(X)`, nats per example: higher is better. `y` is ignored."""
        return float(self.score_samples(X, condition=condition).mean())

    def sample(self, n_samples: int = 1, *, condition: Any = None, random_state: Any = None) -> Any:
        """New examples, each of a member drawn at random: draws of the mean density. A data frame where `fit` had one."""
        check_is_fitted(self)
        count = COUNT.convert("n_samples", n_samples)
        check_number_fits("n_samples", count, 24 * math.prod(self.members_[0].spec_.event_shape), "new examples")
        rng = np.random.default_rng(seed_from(random_state))
        own = rng.integers(len(self.members_), size=count)
        seeds = rng.integers(LARGEST_SEED, size=len(self.members_))
        labels = None if condition is None else condition_values(condition, count)
        pieces = [
            member.sample(
                int(np.sum(own == m)), condition=None if labels is None else labels[own == m], random_state=int(seeds[m])
            )
            for m, member in enumerate(self.members_)
            if np.any(own == m)
        ]
        # Back to the order in which members were drawn, which is what makes rows independent of each other.
        place = np.argsort(np.argsort(own, kind="stable"), kind="stable")
        return _joined(pieces, place)

    def __sklearn_tags__(self) -> Tags:
        return with_examples_tags(super().__sklearn_tags__())


def _fitted(member: VAE, programs: Programs, X: Any, of_fit: dict[str, Any]) -> VAE:
    member._programs = programs
    try:
        return member.fit(X, **of_fit)
    finally:
        # What trains in other threads is no part of what may be pickled.
        del member._programs


def _joined(pieces: list[Any], place: np.ndarray) -> Any:
    first = pieces[0]
    if not hasattr(first, "columns"):
        return np.concatenate(pieces)[place]
    import narwhals

    whole = narwhals.concat([narwhals.from_native(piece, eager_only=True) for piece in pieces])
    return narwhals.to_native(whole[place.tolist()])
