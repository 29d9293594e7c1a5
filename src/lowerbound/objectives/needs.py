"""Whether an objective and a model can work together, and a message that shows a combination that does when not."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, Draws
from .base import AbstractObjective


def check_needs(objective: AbstractObjective, model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` when the objective needs what the model cannot do."""
    name = type(objective).__name__
    if ("classes" in objective.needs) != model.infers_condition:
        raise ConfigurationError(
            f"the objective {name} "
            + (
                "learns labels that are not known, but the model takes its condition for known; set model.name=semi-supervised. "
                "With this model, objective.name=elbo works."
                if not model.infers_condition
                else "does not know of labels that are not known, which this model infers; set objective.name=semi-supervised."
            )
        )
    posterior = " and ".join(dict.fromkeys(block.posterior for block in model.latent_blocks))
    if "density" in objective.needs and not model.has_density:
        raise ConfigurationError(
            f"the objective {name} needs a posterior with a density, but {posterior} is a "
            "deterministic code. With it, objective.name=autoencoder or wae-mmd works; with this objective, "
            "posterior.name=diagonal-gaussian does."
        )
    if "deterministic-posterior" in objective.needs and model.has_density:
        raise ConfigurationError(
            f"the objective {name} trains a code without a KL term, and nothing in it would keep the spread of {posterior} from "
            "shrinking to 0; set posterior.name=deterministic. With this posterior, objective.name=elbo or wae-mmd works."
        )
    if "factorised-posterior" in objective.needs and not all(block.is_factorised for block in model.latent_blocks):
        raise ConfigurationError(
            f"the objective {name} compares the latents one by one and needs a posterior that is a product over latents, but "
            f"{posterior} is not. posterior.name=diagonal-gaussian is."
        )
    if "own-prior" in objective.needs and any(block.has_prior_of_posterior for block in model.latent_blocks):
        raise ConfigurationError(
            f"the objective {name} trains the prior with the decoder, apart from the posterior, but the prior of this model is "
            "made of the posterior itself. prior.name=standard-normal or mixture-of-gaussians is not; with this prior, "
            "objective.name=elbo works."
        )
    if "euclidean-space" in objective.needs and model.space != "euclidean":
        raise ConfigurationError(
            f"the objective {name} moves chains of Hamiltonian steps through R^latent_dim, but the latents of this model live on "
            "a sphere, where these steps do not stay; set posterior.name=diagonal-gaussian and prior.name=standard-normal. With "
            "this space, objective.name=elbo or wake-sleep works."
        )
    if "kl-by-latent" in objective.needs and not has_kl_by_latent(model):
        raise ConfigurationError(
            f"the objective {name} with free_nats needs KL(q(z|x) || p(z)) of each latent in closed form, which {posterior} and "
            "its prior do not have. posterior.name=diagonal-gaussian with prior.name=standard-normal does; or set "
            "objective.free_nats=0."
        )


def check_rows(objective: AbstractObjective, *, are_streamed: bool, are_redrawn: bool) -> None:
    """Raise `ConfigurationError` when the objective remembers each training example, and these are not known, or change.

    - `are_streamed`: a feed brings them. `are_redrawn`: each step draws zeros and ones anew.
    """
    name = type(objective).__name__
    if objective.labelled_batch and are_streamed:
        raise ConfigurationError(
            f"the objective {name} adds labelled examples to each batch and must know which have a label, but a feed brings the "
            "examples and does not say; give the Trainer an Example."
        )
    if objective.remembers_examples and are_streamed:
        raise ConfigurationError(
            f"the objective {name} keeps a chain for each training example and must know which of them a batch has, but a feed "
            "brings these and does not say; give the Trainer an array or an Example. With a feed, objectives such as ELBO work."
        )
    if objective.remembers_examples and are_redrawn:
        raise ConfigurationError(
            f"the objective {name} keeps a chain for each training example, but data.binarize is 'dynamic' and each step draws "
            "other examples, of which no chain can be; set data.binarize=fixed. With data drawn anew, objective.name=elbo or "
            "wake-sleep works."
        )


def check_number(objective: AbstractObjective, data: Example) -> None:
    """Raise `ConfigurationError` when weighted examples stand for another number than the objective was made for."""
    stated, number = objective.made_for, float(data.total_weight)
    if stated is not None and data.weight is not None and abs(stated - number) > 0.5:
        raise ConfigurationError(
            f"the objective {type(objective).__name__} was made for {stated:,} training examples, but the weights of these "
            f"{len(data):,} rows sum to {number:,g}. Make it with num_examples={round(number)}."
        )


def has_kl_by_latent(model: AbstractLatentVariableModel) -> bool:
    """Whether KL(q(z|x) || p(z)) has a closed form for each latent."""
    condition = jnp.zeros(model.condition_dim) if model.condition_dim else None
    example = Example(jnp.zeros(model.event_shape), condition)
    return jax.eval_shape(lambda: model.log_terms(example, jax.random.key(0), Draws(1)).kl_by_latent) is not None
