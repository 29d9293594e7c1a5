"""Every part, once. A new part adds one line in `registered/` and is held to all invariants of `test_parts.py` and `oracles/`."""

from __future__ import annotations

from registered.case import LATENT_DIM, Case
from registered.likelihoods import LIKELIHOODS, likelihood_case
from registered.models import CONFIGURATIONS, DATA, RECIPES, model_case, model_of
from registered.networks import NETWORKS, network_case
from registered.objectives import OBJECTIVES, objective_case
from registered.posteriors import POSTERIORS, posterior_case
from registered.priors import PRIORS, prior_case
from registered.transforms import TRANSFORMS, transform_case

__all__ = [
    "CASES",
    "CONFIGURATIONS",
    "DATA",
    "DENSITIES",
    "LATENT_DIM",
    "LIKELIHOODS",
    "NETWORKS",
    "OBJECTIVES",
    "POSTERIORS",
    "PRIORS",
    "RECIPES",
    "TRANSFORMS",
    "Case",
    "model_of",
]

CASES: dict[str, Case] = {
    **{f"likelihood-{name}": likelihood_case(make) for name, make in LIKELIHOODS.items()},
    **{f"prior-{name}": prior_case(make) for name, make in PRIORS.items()},
    **{f"posterior-{name}": posterior_case(make) for name, make in POSTERIORS.items()},
    **{f"network-{name}": network_case(make) for name, make in NETWORKS.items()},
    **{f"transform-{name}": transform_case(make) for name, make in TRANSFORMS.items()},
    **{f"model-{name}": model_case(name) for name in CONFIGURATIONS},
    **{f"objective-{name}": objective_case(make) for name, make in OBJECTIVES.items()},
}
DENSITIES = {name: case for name, case in CASES.items() if case.density is not None}
