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
from .objectives import OBJECTIVES
from .rules import COUNT, POSITIVE, Boolean, Integer, ListOf, OneOf, Real, Text, WordOr

# The group of entry points by which an installed package brings parts of its own.
ENTRY_POINTS = "lowerbound.parts"

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
        "inflated-gaussian-mixture": Entry(
            ".likelihoods:InflatedGaussianMixture", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}
        ),
        "inflated-log-normal-mixture": Entry(
            ".likelihoods:InflatedLogNormalMixture", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}
        ),
        "zero-inflated-log-normal": Entry(
            ".likelihoods:ZeroInflatedLogNormal", {"num_components": _BUMPS, "scale_floor": _SCALE_FLOOR}
        ),
        "categories": Entry(".likelihoods:CategoriesLikelihood"),
        "mixed": Entry(
            ".likelihoods:Mixed",
            {
                "num_components": _BUMPS,
                "scale": Key(
                    "from-z",
                    OneOf(("from-z", "per-element", "shared")),
                    "the scale of columns that are gaussian: a function of z, learned for each, or one for all, in deviations",
                ),
            },
        ),
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
            {"num_components": Key(3, COUNT, "components of the mixture")},
            ("salimans2017",),
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
    "objective": OBJECTIVES,
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
