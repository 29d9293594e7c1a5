"""Every objective by its name, as a part of the catalogue: its keys, its papers, and which values make it a plainer one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .entry import Entry
from .keys import CHANGED, Key
from .rules import COUNT, Integer, OneOf, Real

_WEIGHT = Real(0.0)
_DRAWS = Key(1, COUNT, "Monte Carlo samples per example in each step")
_GRADIENT = Key(
    "plain",
    OneOf(("plain", "stl", "dreg")),
    "the encoder's gradient estimator",
    {"stl": ("roeder2017",), "dreg": ("tucker2019",)},
)
_WEIGHTS = {"num_samples": Key(5, COUNT, "K: importance weights per example in each step"), "gradient": _GRADIENT}
_GROUPS = Key(1, COUNT, "M: groups of num_samples importance weights")
_DIP = {
    "num_samples": _DRAWS,
    "off_diagonal_weight": Key(10.0, _WEIGHT, "the weight of the covariances' squares"),
    "diagonal_weight": Key(5.0, _WEIGHT, "the weight of the squared distances of the variances from 1"),
}
_MMD = {
    "mmd_weight": Key(10.0, _WEIGHT, "the weight of the maximum mean discrepancy"),
    "kernel": Key("imq", OneOf(("imq", "rbf")), "its kernel: inverse multiquadratic, or Gaussian"),
}


def _one_weight(values: Mapping[str, Any]) -> str:
    """What to say of a bound of importance weights that has only one."""
    if values.get("alpha") == 1:
        return "objective.alpha is 1, which makes this objective the plain ELBO; set another order, such as objective.alpha=0.5."
    if values.get("elbo_weight") == 1:
        return "objective.elbo_weight is 1, which makes this objective the plain ELBO; set objective.elbo_weight=0.5."
    if values["num_samples"] > 1:
        return _one_group(values)
    return (
        "objective.num_samples is 1, and a single importance weight makes this objective the plain ELBO; set "
        "objective.num_samples=5 or more, or objective.name=elbo."
    )


def _one_group(values: Mapping[str, Any]) -> str:
    """What to say of groups of importance weights of which there is one."""
    if values.get("num_groups", 2) > 1:
        return ""
    return "objective.num_groups is 1, and a single group makes this objective IWAE; set objective.num_groups=5, for example."


def _no_penalty(values: Mapping[str, Any]) -> str:
    """What to say of an objective that adds nothing to the ELBO."""
    weights = [key for key in ("off_diagonal_weight", "diagonal_weight") if key in values]
    if weights and not any(values[key] for key in weights):
        return f"objective.{' and '.join(weights)} are 0, which makes this objective the plain ELBO; set one of them."
    if not weights and values["alpha"] == 0 and values["mmd_weight"] == 1:
        return "objective.alpha is 0 and mmd_weight 1, which makes this objective the plain ELBO; set objective.mmd_weight=10."
    return ""


def _equal_weights(values: Mapping[str, Any]) -> str:
    """What to say of a KL that is taken apart and put together again."""
    if any(values[key] != 1 for key in ("alpha", "beta", "gamma")):
        return ""
    return (
        "objective.alpha, beta and gamma are all 1, which makes this objective the plain ELBO; set objective.beta=6, for example."
    )


OBJECTIVES: dict[str, Entry] = {
    "elbo": Entry(
        ".objectives:ELBO",
        {
            "num_samples": _DRAWS,
            "beta": Key(
                1.0,
                _WEIGHT,
                "the weight of the KL term; 1 makes the loss minus the evidence lower bound",
                {CHANGED: ("higgins2017",)},
            ),
            "warmup_epochs": Key(0, Integer(0), "epochs over which the KL term's weight rises from 0 to beta"),
            "warmup": Key(
                "linear",
                OneOf(("linear", "cyclical")),
                "the rise: once, or again every warmup_epochs",
                {"linear": ("sonderby2016",), "cyclical": ("fu2019",)},
                only_with="warmup_epochs",
            ),
            "free_nats": Key(
                0.0, _WEIGHT, "nats of each latent that cost nothing in the loss (free bits)", {CHANGED: ("kingma2016",)}
            ),
            "capacity_nats": Key(
                0.0,
                _WEIGHT,
                "the KL's target in nats, beta times the distance to it being the cost; 0 for none",
                {CHANGED: ("burgess2018",)},
            ),
            "capacity_epochs": Key(0, Integer(0), "epochs over which the target rises from 0", only_with="capacity_nats"),
            "gradient": _GRADIENT,
        },
        ("kingma2014",),
    ),
    "iwae": Entry(".objectives:IWAE", _WEIGHTS, ("burda2016",), remark=_one_weight),
    "miwae": Entry(".objectives:MIWAE", {**_WEIGHTS, "num_groups": _GROUPS}, ("rainforth2018",), remark=_one_weight),
    "ciwae": Entry(
        ".objectives:CIWAE",
        {**_WEIGHTS, "elbo_weight": Key(0.5, Real(0.0, at_most=1.0), "the weight of the ELBO, the rest being IWAE's")},
        ("rainforth2018",),
        remark=_one_weight,
    ),
    "piwae": Entry(
        ".objectives:PIWAE",
        {**_WEIGHTS, "num_groups": _GROUPS},
        ("rainforth2018",),
        remark=lambda values: "" if values["num_groups"] > 1 else _one_weight(values),
    ),
    "renyi": Entry(
        ".objectives:RenyiBound",
        {
            "num_samples": _WEIGHTS["num_samples"],
            "alpha": Key(0.5, Real(), "the order: 0 is IWAE's bound, 1 the ELBO; below 0 it is no lower bound"),
        },
        ("li2016",),
        remark=_one_weight,
    ),
    "beta-tc": Entry(
        ".objectives:BetaTCVAE",
        {
            "num_samples": _DRAWS,
            "alpha": Key(1.0, _WEIGHT, "the weight of the mutual information"),
            "beta": Key(6.0, _WEIGHT, "the weight of the total correlation"),
            "gamma": Key(1.0, _WEIGHT, "the weight of the dimension-wise KL"),
        },
        ("chen2018",),
        remark=_equal_weights,
    ),
    "dip-i": Entry(".objectives:DIPVAEI", _DIP, ("kumar2018",), remark=_no_penalty),
    "dip-ii": Entry(".objectives:DIPVAEII", _DIP, ("kumar2018",), remark=_no_penalty),
    "info-vae": Entry(
        ".objectives:InfoVAE",
        {"num_samples": _DRAWS, "alpha": Key(1.0, Real(at_most=1.0), "the KL is weighed by 1 - alpha"), **_MMD},
        ("zhao2019", "gretton2012"),
        remark=_no_penalty,
    ),
    "wae-mmd": Entry(".objectives:WassersteinAutoencoder", {"num_samples": _DRAWS, **_MMD}, ("tolstikhin2018", "gretton2012")),
    "semi-supervised": Entry(
        ".objectives:SemiSupervisedELBO",
        {
            "num_samples": _DRAWS,
            "classification_weight": Key(1.0, _WEIGHT, "a, the weight of -log q(y|x), a mean over labelled examples"),
            "labelled_batch": Key(50, COUNT, "labelled examples that each step looks at besides its batch"),
            "labelled_weight": Key(1.0, _WEIGHT, "the weight of each of these in the bound; with 0 they count for a alone"),
            "labelled_epochs": Key(0, Integer(0), "epochs over which that weight falls to a twentieth; 0 for a constant one"),
        },
        ("kingma2014semi",),
    ),
    "wake-sleep": Entry(".objectives:WakeSleep", {"num_samples": _DRAWS}, ("hinton1995", "dayan1995")),
    "monte-carlo-em": Entry(
        ".objectives:MonteCarloEM",
        {
            "num_leapfrog": Key(10, COUNT, "leapfrog steps of each Hamiltonian move of an example's chain"),
            "acceptance": Key(
                0.9, Real(0.0, below=1.0, strictly_above=True), "the acceptance that the leapfrog's step size is tuned to"
            ),
        },
        ("kingma2014", "wei1990", "neal2011"),
    ),
    "autoencoder": Entry(".objectives:Autoencoder", papers=("hinton2006",)),
    "denoising-autoencoder": Entry(
        ".objectives:DenoisingAutoencoder",
        {"noise": Key(0.1, _WEIGHT, "the noise's standard deviation, in the elements' own deviations")},
        ("vincent2008",),
    ),
    "sparse-autoencoder": Entry(
        ".objectives:SparseAutoencoder", {"sparsity_weight": Key(0.01, _WEIGHT, "the weight of the code's absolute values")}
    ),
    "rae-l2": Entry(
        ".objectives:RegularisedAutoencoder",
        {
            "latent_weight": Key(1.0, _WEIGHT, "the weight of the code's squared norm"),
            "decoder_weight": Key(1e-4, _WEIGHT, "the weight of the decoder's squared weights"),
        },
        ("ghosh2020",),
    ),
}
