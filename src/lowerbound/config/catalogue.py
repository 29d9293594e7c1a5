"""Every part by its name: where its class is, its keys, and the papers it comes from.

One line here gives a part its name in TOML files, on the command line and in the estimator, and its keys their defaults, rules
and help. Nothing here imports JAX: a class is imported when a model is built with it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError, ConfigurationWarning, unknown_name_message
from .entry import AUTO, KINDS, Entry
from .keys import CHANGED, Key
from .layers import ACTIVATIONS, FAN_IN, MIRRORED, check_activations
from .rules import COUNT, POSITIVE, Boolean, Integer, ListOf, OneOf, Real, Text, WordOr

# The group of entry points by which an installed package brings parts of its own.
ENTRY_POINTS = "lowerbound.parts"

_WEIGHT = Real(0.0)

_COMPONENTS = Key(10, COUNT, "components of the mixture")
_LAYERS = Key(4, COUNT, "layers of the flow")
_PRIOR_WIDTH = Key(64, COUNT, "units in the hidden layers of the prior's networks")
_BINS = Key(8, Integer(2), "bins of the rational-quadratic spline")

_REFINEMENT = {
    "refinement_steps": Key(
        0, Integer(0), "gradient steps on each example's posterior parameters; 0 for none", {CHANGED: ("kim2018",)}
    ),
    "refinement_rate": Key(0.1, POSITIVE, "the size of these steps", only_with="refinement_steps"),
}
_FLOWS = Key(4, COUNT, "steps of the flow")
_NETWORK_FLOWS = {
    "num_flows": _FLOWS,
    "hidden_width": Key(128, COUNT, "units in the hidden layers of the flow's networks"),
    "context_dim": Key(32, COUNT, "numbers that the encoder tells the flow's networks"),
}


def _posterior(cls: str, *papers: str, **keys: Key) -> Entry:
    """A posterior, which can be refined for each example."""
    return Entry(f".posteriors:{cls}", {**keys, **_REFINEMENT}, papers)


_MEAN = Key("free", OneOf(("free", "sigmoid")), "the mean: any number, or through a sigmoid into the data's range")
_SCALE_FLOOR = Key("auto", WordOr("auto", POSITIVE), "the smallest scale, in the data's units; auto is half a step of the data")
_BUMPS = Key(5, COUNT, "normal laws in the mixture of each element")
_NEIGHBOURS = {
    "reach": Key(2, Integer(1, 8), "how many rows above and columns beside it a pixel depends on, given z"),
    "units": Key(32, COUNT, "units of the network that says what the pixels before one say of it"),
}
_LIBRARY_SIZE = Key(True, Boolean(), "counts are given the example's own total; false for a size learned from z")
_DISPERSION = Key("per-element", OneOf(("from-z", "per-element")), "counts' dispersion: a function of z, or learned")

_WIDTHS = {
    "hidden_widths": Key((200, 200), ListOf(COUNT), "units in each hidden layer of the encoder; [] for a linear map"),
    "decoder_widths": Key(
        MIRRORED,
        WordOr(MIRRORED, ListOf(COUNT)),
        "units in each hidden layer of the decoder; mirrored: the encoder's, reversed",
    ),
}
_DROPOUT = Key(
    0.0,
    Real(0.0, below=1.0),
    "the probability with which a hidden unit is dropped in training",
    {CHANGED: ("srivastava2014",)},
)
_LAYER_NORM = Key(False, Boolean(), "layer normalisation before each activation", {True: ("ba2016",)})
_MLP = {
    **_WIDTHS,
    "activations": Key(
        "elu", ListOf(OneOf(ACTIVATIONS), or_name=True), "one activation for all hidden layers, or a list with one for each"
    ),
    "dropout": _DROPOUT,
    "layer_norm": _LAYER_NORM,
    "residual": Key(False, Boolean(), "skip connections around hidden layers of equal width"),
    "initial_scale": Key(
        FAN_IN,
        WordOr(FAN_IN, POSITIVE),
        "standard deviation of all weights at the start; fan-in: of each layer's own, by the number of its inputs",
    ),
    "output_bias": Key("data", OneOf(("data", "zero")), "where the decoder's last bias starts: at the data's own mean, or at 0"),
}
_IMAGES = {
    "channels": Key((32, 64), ListOf(COUNT), "channels at each resolution"),
    "activations": Key("elu", OneOf(ACTIVATIONS), "the activation of all hidden layers"),
    "dropout": _DROPOUT,
    "layer_norm": _LAYER_NORM,
}

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


def _one_weight(values: Mapping[str, Any]) -> str:
    """What to say of a bound of importance weights that has only one."""
    if values.get("alpha") == 1:
        return "objective.alpha is 1, which makes this objective the plain ELBO; set another order, such as objective.alpha=0.5."
    if values["num_samples"] > 1:
        return ""
    return (
        "objective.num_samples is 1, and a single importance weight makes this objective the plain ELBO; set "
        "objective.num_samples=5 or more, or objective.name=elbo."
    )


def _equal_weights(values: Mapping[str, Any]) -> str:
    """What to say of a KL that is taken apart and put together again."""
    if any(values[key] != 1 for key in ("alpha", "beta", "gamma")):
        return ""
    return (
        "objective.alpha, beta and gamma are all 1, which makes this objective the plain ELBO; set objective.beta=6, for example."
    )


_MMD = {
    "mmd_weight": Key(10.0, _WEIGHT, "the weight of the maximum mean discrepancy"),
    "kernel": Key("imq", OneOf(("imq", "rbf")), "its kernel: inverse multiquadratic, or Gaussian"),
}

_LATENT_DIM = Key(20, COUNT, "the number of latent variables")

CATALOGUE: dict[str, dict[str, Entry]] = {
    "model": {
        "single-layer": Entry(".models:SingleLayer", {"latent_dim": _LATENT_DIM}),
        "bayesian-decoder": Entry(
            ".models:BayesianDecoder",
            {
                "latent_dim": _LATENT_DIM,
                "initial_std": Key(0.01, POSITIVE, "the standard deviation of each weight of the decoder before training"),
            },
            ("kingma2014",),
        ),
        "semi-supervised": Entry(".models:SemiSupervised", {"latent_dim": _LATENT_DIM}, ("kingma2014semi",)),
    },
    "prior": {
        "standard-normal": Entry(".priors:StandardNormal", papers=("kingma2014",)),
        "learned-gaussian": Entry(".priors:LearnedGaussian", {"hidden_width": _PRIOR_WIDTH}, ("sohn2015",)),
        "mixture-of-gaussians": Entry(
            ".priors:MixtureOfGaussians", {"num_components": _COMPONENTS}, ("dilokthanakul2016", "tomczak2018")
        ),
        "vamp": Entry(
            ".priors:VampPrior", {"num_components": dataclasses.replace(_COMPONENTS, help="pseudo-inputs")}, ("tomczak2018",)
        ),
        "spline-flow": Entry(
            ".priors:SplineFlow", {"num_layers": _LAYERS, "hidden_width": _PRIOR_WIDTH, "num_bins": _BINS}, ("durkan2019",)
        ),
        "autoregressive-flow": Entry(
            ".priors:AutoregressiveFlow",
            {"num_layers": _LAYERS, "hidden_width": _PRIOR_WIDTH},
            ("papamakarios2017", "germain2015"),
        ),
        "hyperspherical-uniform": Entry(".priors:HypersphericalUniform", papers=("davidson2018",)),
    },
    "posterior": {
        "diagonal-gaussian": _posterior("DiagonalGaussian", "kingma2014"),
        "low-rank-gaussian": _posterior(
            "LowRankGaussian", "rezende2014", rank=Key(2, COUNT, "rank of the covariance's part beside its diagonal")
        ),
        "full-gaussian": _posterior("FullGaussian", "kingma2019"),
        "planar": _posterior("Planar", "rezende2015", num_flows=_FLOWS),
        "householder": _posterior("Householder", "tomczak2016", num_flows=_FLOWS),
        "sylvester-orthogonal": _posterior(
            "OrthogonalSylvester",
            "vandenberg2018",
            num_flows=_FLOWS,
            num_directions=Key(8, COUNT, "M, orthogonal directions of each step (at most the latents)"),
        ),
        "sylvester-householder": _posterior(
            "HouseholderSylvester",
            "vandenberg2018",
            num_flows=_FLOWS,
            num_reflections=Key(8, COUNT, "Householder reflections in each step"),
        ),
        "sylvester-triangular": _posterior("TriangularSylvester", "vandenberg2018", num_flows=_FLOWS),
        "inverse-autoregressive": _posterior("InverseAutoregressive", "kingma2016", "germain2015", **_NETWORK_FLOWS),
        "coupling-spline": _posterior("CouplingSpline", "durkan2019", num_bins=_BINS, **_NETWORK_FLOWS),
        "von-mises-fisher": _posterior("VonMisesFisher", "davidson2018", "figurnov2018"),
        "deterministic": Entry(".posteriors:Deterministic"),
    },
    "likelihood": {
        "gaussian": Entry(
            ".likelihoods:Gaussian",
            {
                "mean": _MEAN,
                "scale": Key(
                    "from-z",
                    OneOf(("from-z", "per-element", "shared", "fixed", "optimal")),
                    "the scale: a function of z, learned for each element, one learned number, fixed, or its analytic optimum",
                    {"optimal": ("rybkin2021",)},
                ),
                "fixed_scale": Key(0.1, POSITIVE, "the scale when it is fixed, in the data's units", only_with="scale"),
                "scale_floor": _SCALE_FLOOR,
            },
            ("kingma2014",),
        ),
        "low-rank-gaussian": Entry(
            ".likelihoods:LowRankGaussian",
            {"rank": Key(5, COUNT, "rank of the covariance's part beside its diagonal"), "scale_floor": _SCALE_FLOOR},
        ),
        "laplace": Entry(".likelihoods:Laplace", {"mean": _MEAN, "scale_floor": _SCALE_FLOOR}),
        "student-t": Entry(".likelihoods:StudentT", {"mean": _MEAN, "scale_floor": _SCALE_FLOOR}, ("takahashi2018",)),
        "log-normal": Entry(".likelihoods:LogNormal", {"scale_floor": _SCALE_FLOOR}),
        "continuous-bernoulli": Entry(".likelihoods:ContinuousBernoulli", {"scale_floor": _SCALE_FLOOR}, ("loaiza2019",)),
        "beta": Entry(".likelihoods:Beta", {"scale_floor": _SCALE_FLOOR}, ("ferrari2004",)),
        "quantized-gaussian": Entry(".likelihoods:QuantizedGaussian", {"mean": _MEAN}, ("ho2020",)),
        "gaussian-mixture": Entry(".likelihoods:GaussianMixture", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}),
        "log-normal-mixture": Entry(".likelihoods:LogNormalMixture", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}),
        "zero-inflated-log-normal": Entry(
            ".likelihoods:ZeroInflatedLogNormal", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}
        ),
        "categories": Entry(".likelihoods:CategoriesLikelihood"),
        "mixed": Entry(".likelihoods:Mixed", {"num_components": _BUMPS}),
        "numpyro": Entry(
            ".likelihoods:NumPyroLikelihood",
            {"distribution": Key("", Text(may_be_empty=True), "the class in numpyro.distributions")},
            ("phan2019",),
        ),
        "bernoulli": Entry(".likelihoods:Bernoulli", papers=("kingma2014",)),
        "discretized-logistic": Entry(".likelihoods:DiscretizedLogistic", {"mean": _MEAN}, ("kingma2016",)),
        "discretized-logistic-mixture": Entry(
            ".likelihoods:DiscretizedLogisticMixture",
            {"num_components": Key(3, COUNT, "components of the mixture")},
            ("salimans2017", "kingma2016"),
        ),
        "neighbour-bernoulli": Entry(".likelihoods:NeighbourBernoulli", _NEIGHBOURS, ("gulrajani2017", "vandenoord2016")),
        "neighbour-logistics": Entry(
            ".likelihoods:NeighbourLogistics",
            {"num_components": Key(3, COUNT, "components of the mixture"), **_NEIGHBOURS},
            ("gulrajani2017", "salimans2017"),
        ),
        "categorical": Entry(".likelihoods:Categorical", papers=("vandenoord2016",)),
        "ordinal": Entry(".likelihoods:Ordinal", papers=("mccullagh1980",)),
        "poisson": Entry(".likelihoods:Poisson", {"library_size": _LIBRARY_SIZE}, ("lopez2018",)),
        "negative-binomial": Entry(
            ".likelihoods:NegativeBinomial", {"dispersion": _DISPERSION, "library_size": _LIBRARY_SIZE}, ("lopez2018",)
        ),
        "zero-inflated-negative-binomial": Entry(
            ".likelihoods:ZeroInflatedNegativeBinomial",
            {"dispersion": _DISPERSION, "library_size": _LIBRARY_SIZE},
            ("lopez2018",),
        ),
        "multinomial": Entry(".likelihoods:Multinomial", papers=("srivastava2017",)),
    },
    "mask": {
        "at-random": Entry(".masks:AtRandom", papers=("rubin1976",)),
        "self-masking": Entry(
            ".masks:SelfMasking",
            {
                "direction": Key(
                    "any",
                    OneOf(("any", "large", "small")),
                    "which values tend to be missing; any: the data decide, as they can where columns depend on each other",
                )
            },
            ("ipsen2021",),
        ),
    },
    "network": {
        "mlp": Entry(".networks:MLP", _MLP, check=check_activations),
        "gated-mlp": Entry(".networks:GatedMLP", {**_WIDTHS, "dropout": _DROPOUT}, ("dauphin2017", "tomczak2018")),
        "conv": Entry(".networks:ConvNetwork", _IMAGES, ("lecun1998", "shi2016")),
        "resnet": Entry(
            ".networks:ResNet",
            {**_IMAGES, "blocks": Key(1, COUNT, "residual blocks at each resolution")},
            ("he2016", "shi2016"),
        ),
    },
    "objective": {
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
        "dip-i": Entry(".objectives:DIPVAEI", _DIP, ("kumar2018",)),
        "dip-ii": Entry(".objectives:DIPVAEII", _DIP, ("kumar2018",)),
        "info-vae": Entry(
            ".objectives:InfoVAE",
            {"num_samples": _DRAWS, "alpha": Key(1.0, Real(at_most=1.0), "the KL is weighed by 1 - alpha"), **_MMD},
            ("zhao2019", "gretton2012"),
        ),
        "wae-mmd": Entry(
            ".objectives:WassersteinAutoencoder", {"num_samples": _DRAWS, **_MMD}, ("tolstikhin2018", "gretton2012")
        ),
        "semi-supervised": Entry(
            ".objectives:SemiSupervisedELBO",
            {
                "num_samples": _DRAWS,
                "classification_weight": Key(1.0, _WEIGHT, "a, the weight of -log q(y|x), a mean over labelled examples"),
                "labelled_batch": Key(50, COUNT, "labelled examples that each step looks at besides its batch"),
                "labelled_weight": Key(1.0, _WEIGHT, "the weight of each of these in the bound; with 0 they count for a alone"),
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
    },
}


def entries_of(kind: str) -> Mapping[str, Entry]:
    """The entries of a kind of part ("prior", ...) by name, those of installed packages among them."""
    _add_installed_parts()
    return CATALOGUE[kind]


def names_of(kind: str) -> tuple[str, ...]:
    """The names of a kind of part, in the catalogue's order; "auto" first where there is one."""
    return (*((AUTO,) if KINDS[kind].automatic else ()), *entries_of(kind))


def entry_of(kind: str, name: str) -> Entry:
    """The entry of a name; raises `ConfigurationError` with the nearest right one."""
    entries = entries_of(kind)
    if name not in entries:
        raise ConfigurationError(unknown_name_message(f"{kind}.name", name, names_of(kind)))
    return entries[name]


def keys_of(kind: str, name: str) -> Mapping[str, Key]:
    """The keys of a named part; of "auto", those of all that it may become. Raises `ConfigurationError` for an unknown name."""
    if name == AUTO and KINDS[kind].automatic:
        return {key: value for other in KINDS[kind].automatic[::-1] for key, value in entry_of(kind, other).keys.items()}
    return entry_of(kind, name).keys


def class_of(kind: str, name: str) -> Any:
    """The class of a named part, imported now."""
    module, _, cls = entry_of(kind, name).path.partition(":")
    return getattr(importlib.import_module(module, __name__.partition(".")[0]), cls)


def name_of(kind: str, cls: type) -> str | None:
    """The name under which a class is in the catalogue; None for a class of a person's own."""
    names = (name for name, entry in entries_of(kind).items() if entry.path.endswith(f":{cls.__name__}"))
    return next((name for name in names if class_of(kind, name) is cls), None)


def first_with(kind: str, **facts: Any) -> str:
    """The name of the first part whose class declares these facts."""
    return next(
        name for name in entries_of(kind) if all(getattr(class_of(kind, name), fact) == value for fact, value in facts.items())
    )


def readers_of(kind: str, key: str) -> list[str]:
    """The names of the parts that have a key."""
    return [name for name, entry in entries_of(kind).items() if key in entry.keys]


@functools.cache
def _add_installed_parts() -> None:
    """Put the parts of installed packages beside ours: entry points such as `"prior.laplace" = "my_package.entries:LAPLACE"`.

    Done once, when the first part is looked up. What is broken is warned of and left out; nothing takes a name of ours.
    """
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        kind, _, name = point.name.partition(".")
        try:
            entry = point.load()
            if not isinstance(entry, Entry):
                raise ConfigurationError(f"{point.value} is a {type(entry).__name__}; expected a lowerbound.config.Entry")
            if kind not in KINDS or not name or CATALOGUE[kind].setdefault(name, entry) != entry:
                raise ConfigurationError(
                    f"its name is {point.name!r}; expected KIND.NAME with a kind among {', '.join(KINDS)} and a name that is free"
                )
        except Exception as error:  # whatever somebody else's module raises
            package = point.dist.name if point.dist else "an installed package"
            text = f"the part {point.name!r} of the package {package} was left out: {type(error).__name__}: {error}"
            warnings.warn(text, ConfigurationWarning, stacklevel=2)
