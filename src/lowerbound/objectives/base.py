"""The contract of an objective: a value that turns a model and a batch into a loss and a bound."""

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..config.context import ObjectiveContext, arguments_of, check_values
from ..config.part import PartConfig
from ..config.sections import LARGEST_STEP
from ..data.examples import Example
from ..models import AbstractLatentVariableModel, Draws, LogTerms
from .schedule import Step

# What an objective may need of a model (`needs.py` checks it and says what fits).
Need = Literal[
    "density", "deterministic-posterior", "factorised-posterior", "kl-by-latent", "own-prior", "euclidean-space", "classes"
]
# How the gradient of log q(z|x) reaches the encoder: in full; through z alone ("sticking the landing", Roeder et al. 2017); or
# doubly reparametrised (Tucker et al. 2019), for objectives of importance weights.
GradientEstimator = Literal["plain", "stl", "dreg"]


class LossRecord(eqx.Module):
    """What an objective says of a batch. `loss` is differentiated, `bound` is reported; they are never the same number.

    - `loss`: to be minimised; it may carry a KL weight or a penalty.
    - `bound`: a lower bound on log p(x) for each example (in expectation over the draws), in nats, in the user's units, whatever
      the loss is: the one that `bound_name` says. None for a deterministic code, which has none. Of a model whose weights are
      random it is a bound on log p(X) / N for all N training examples X together (`recorded`).
    - `log_likelihood`: E_q[log p(x|z)] for each example, estimated by the mean over the draws.
    - `kl`: KL(q(z|x) || p(z)) for each example, and of random weights their KL / N; None for a deterministic code. The ELBO is
      always `log_likelihood` - `kl`.
    - `monitors`: batch means of the likelihood's fractions worth watching.
    - `state`: the objective's own state after this batch; None where it has none.
    """

    loss: Float[Array, ""]
    bound: Float[Array, " batch"] | None
    log_likelihood: Float[Array, " batch"]
    kl: Float[Array, " batch"] | None
    monitors: dict[str, Float[Array, ""]]
    state: Any = None


class AbstractObjective(eqx.Module):
    """A frozen value: called with a model, a batch, a key, the step's number and its own state, it gives a `LossRecord`.

    Its weights are fields that are not static, so that training gives them to its program as inputs, and another weight needs no
    other program; static is what chooses a branch. A weight of 0 stays a constant: see `is_on`.

    - `num_samples`: draws of z for each example in a step.
    - `needs`: what the model must be able to do.
    - `bound_name`: what `bound` is, for people: "ELBO", "IWAE bound, 5 samples"; "" where there is none.
    - `made_for`: how many training examples it was made for, a row of weight 2 counted twice; None where that does not matter.
    - `steps_per_batch`: how many steps in a row see one batch.
    - `labelled_batch`: how many examples with a label training adds to each batch, drawn anew each time. `labelled_weight`: what
      each of these weighs in the batch's means, at first. `labelled_steps`: in how many steps that falls to a twentieth, or 0.
    - `remembers_examples`: whether its state holds something of each training example; a batch then says by `index` which it has.
    """

    num_samples: eqx.AbstractVar[int]
    needs: ClassVar[tuple[Need, ...]] = ("density",)
    bound_name: ClassVar[str] = "ELBO"
    made_for: ClassVar[int | None] = None
    steps_per_batch: ClassVar[int] = 1
    labelled_batch: ClassVar[int] = 0
    labelled_weight: ClassVar[float] = 0.0
    labelled_steps: ClassVar[int] = 0
    remembers_examples: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_values("objective", type(self), vars(self))

    @classmethod
    def build(cls, config: PartConfig, context: ObjectiveContext) -> "AbstractObjective":
        """The objective that a configuration asks for: what is in epochs there is in steps here."""
        epochs = {key: value for key, value in config.values.items() if key.endswith("_epochs")}
        steps = {
            key.replace("_epochs", "_steps"): min(value * context.steps_per_epoch, LARGEST_STEP) for key, value in epochs.items()
        }
        return cls(**arguments_of(cls, config, elsewhere=epochs, num_examples=context.num_examples, **steps))

    @property
    @abstractmethod
    def is_bound(self) -> bool:
        """Whether the loss, with its weights at the end of their schedule, is minus a lower bound on log p(x)."""

    def initial_state(self, model: AbstractLatentVariableModel, num_examples: int, key: PRNGKeyArray) -> Any:
        """What the objective remembers from step to step (a moving average, a chain), before the first of them: a PyTree of
        arrays, which a checkpoint holds. None by default; this and the constants of the class are what an objective may
        replace.

        - `model`: as it is before the first step. `num_examples`: the rows that it is trained on. `key`: for what is random.
        """
        return None

    @abstractmethod
    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Example,
        key: PRNGKeyArray,
        step: Step,
        state: Any = None,
        *,
        training: bool = False,
    ) -> LossRecord:
        """The record of one batch at one step; `training` turns dropout on, and what is remembered of examples comes in.

        A state that goes on is the record's `state`; that of a call without `training` is not kept.
        """

    def kl_weight(self, step: Step) -> Float[Array, ""]:
        """The weight of the KL term in the loss at this step; 1 where the loss is a bound's negative, or has no such term."""
        return jnp.float32(1.0)


class AbstractStatelessObjective(AbstractObjective):
    """An objective that remembers nothing from step to step: the terms of a batch, and what it makes of them."""

    @abstractmethod
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> "Estimated":
        """The terms of a batch, the loss, and the bound of each example, or None for the ELBO."""

    @override
    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Example,
        key: PRNGKeyArray,
        step: Step,
        state: Any = None,
        *,
        training: bool = False,
    ) -> LossRecord:
        return record_of(model, batch, *self.estimate(model, batch, key, step, training=training))


class AbstractPenalisedELBO(AbstractStatelessObjective):
    """Objectives with a term of the whole batch beside, or in place of, the KL; what is reported is the ELBO.

    - `draws_too`: whether that term has random draws of its own.
    """

    draws_too: ClassVar[bool] = False

    @abstractmethod
    def loss(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms, key: PRNGKeyArray) -> Float[Array, ""]:
        """What is minimised, from the terms of a batch."""

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> "Estimated":
        of_terms, of_loss = jax.random.split(key) if self.draws_too else (key, key)
        terms = batch_terms(model, batch, of_terms, Draws(self.num_samples, training))
        return terms, self.loss(model, batch, terms, of_loss), None


def recorded(
    objective: AbstractObjective,
    model: AbstractLatentVariableModel,
    batch: Example,
    key: PRNGKeyArray,
    step: Step,
    state: Any = None,
    *,
    training: bool = False,
) -> LossRecord:
    """The objective's record of a batch. Where the model's weights are random, for one draw of them that all examples share, and
    with their KL / N in loss, bound and KL (Kingma and Welling 2014, appendix F); where they are numbers, as it is.
    """
    record = objective(model.drawn(key), batch, key, step, state, training=training)
    share = model.weights_kl
    if share is None:
        return record
    bound, kl = (None if each is None else each + sign * share for each, sign in ((record.bound, -1), (record.kl, 1)))
    return dataclasses.replace(record, loss=record.loss + share, bound=bound, kl=kl)


Estimated = tuple[LogTerms, Float[Array, ""], Float[Array, " batch"] | None]


def is_on(weight: float | Float[Array, ""]) -> bool:
    """Whether there is anything to weigh. In a program a weight is an array, unless it is 0."""
    return not (isinstance(weight, int | float) and weight == 0)


def batch_terms(model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
    """`model.log_terms` of every example of a batch, the batch along the first axis of everything."""
    return jax.vmap(model.log_terms)(batch.on_device(), jax.random.split(key, len(batch)), draws)


def log_weight_of(terms: LogTerms) -> Float[Array, "batch samples"]:
    """log p(x|z) + log p(z) - log q(z|x) for each example and draw of `batch_terms`."""
    return jax.vmap(lambda term: term.log_weight)(terms)


def kl_of(terms: LogTerms) -> Float[Array, " batch"]:
    """KL(q(z|x) || p(z)) for each example of `batch_terms`."""
    return jax.vmap(lambda term: term.kl)(terms)


def record_of(
    model: AbstractLatentVariableModel,
    batch: Example,
    terms: LogTerms,
    loss: Float[Array, ""],
    bound: Float[Array, " batch"] | None = None,
) -> LossRecord:
    """The record of `batch_terms` with this loss; the bound is the ELBO where none is given, and None without a density."""
    log_likelihood, monitors = terms.log_likelihood.mean(axis=1), jax.tree.map(batch.mean, terms.monitors)
    if not model.has_density:
        return LossRecord(loss, None, log_likelihood, None, monitors)
    kl = kl_of(terms)
    return LossRecord(loss, log_likelihood - kl if bound is None else bound, log_likelihood, kl, monitors)
