"""The contract of an objective: a value that turns a model and a batch into a loss and a bound."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from ..models import AbstractLatentVariableModel


class LossRecord(eqx.Module):
    """What an objective says of a batch. `loss` is differentiated, `bound` is reported; they are never the same number.

    - `loss`: to be minimised; it may carry a KL weight or a penalty.
    - `bound`: a lower bound on log p(x) for each example, in nats, in the user's units, whatever the loss is.
    - `log_likelihood`: E_q[log p(x|z)] for each example, estimated by the mean over the draws.
    - `kl`: KL(q(z|x) || p(z)) for each example.
    - `monitors`: batch means of the likelihood's fractions worth watching.
    """

    loss: Float[Array, ""]
    bound: Float[Array, " batch"]
    log_likelihood: Float[Array, " batch"]
    kl: Float[Array, " batch"]
    monitors: dict[str, Float[Array, ""]]


class AbstractObjective(eqx.Module):
    """A frozen value: called with a model, a batch, a key and the step's number, it gives a `LossRecord`."""

    num_samples: eqx.AbstractVar[int]

    @abstractmethod
    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Num[Array, "batch ..."],
        key: PRNGKeyArray,
        step: Int[Array, ""],
        *,
        training: bool = False,
    ) -> LossRecord:
        """The record of one batch at one step; `training` turns dropout on and changes nothing else."""

    @abstractmethod
    def kl_weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The weight of the KL term in the loss at this step; 1 where the loss is a bound's negative."""
