"""Every part by its name: where its class is, which keys of its section it reads, and the papers it comes from.

One line here gives a part its name in TOML files, on the command line and in the estimator. Nothing here imports JAX: a class is
imported when a model is built with it.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from ..errors import ConfigurationError, unknown_name_message


@dataclasses.dataclass(frozen=True)
class Entry:
    """One part.

    - `path`: "module:Class", the module within this package (".priors.vamp") or anywhere ("my_package.priors").
    - `keys`: the keys of its section that it reads, besides `name`.
    - `papers`: keys of `references.toml`, what `lowerbound cite` prints for it.
    """

    path: str
    keys: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()


_REFINEMENT = ("refinement_steps", "refinement_rate")
_ELBO = ("num_samples", "beta", "warmup_epochs", "warmup")
_WEIGHTS = ("num_samples", "gradient")
_MLP = ("hidden_widths", "decoder_widths", "activations", "dropout")
_IMAGES = ("channels", "activations", "dropout", "layer_norm")

CATALOGUE: dict[str, dict[str, Entry]] = {
    "prior": {
        "standard-normal": Entry(".priors:StandardNormal", papers=("kingma2014",)),
        "learned-gaussian": Entry(".priors:LearnedGaussian", ("hidden_width",), ("sohn2015",)),
        "mixture-of-gaussians": Entry(".priors:MixtureOfGaussians", ("num_components",), ("dilokthanakul2016", "tomczak2018")),
        "vamp": Entry(".priors:VampPrior", ("num_components",), ("tomczak2018",)),
        "spline-flow": Entry(".priors:SplineFlow", ("num_layers", "hidden_width", "num_bins"), ("durkan2019",)),
        "autoregressive-flow": Entry(
            ".priors:AutoregressiveFlow", ("num_layers", "hidden_width"), ("papamakarios2017", "germain2015")
        ),
        "hyperspherical-uniform": Entry(".priors:HypersphericalUniform", papers=("davidson2018",)),
    },
    "posterior": {
        "diagonal-gaussian": Entry(".posteriors:DiagonalGaussian", _REFINEMENT, ("kingma2014",)),
        "low-rank-gaussian": Entry(".posteriors:LowRankGaussian", ("rank", *_REFINEMENT), ("rezende2014",)),
        "full-gaussian": Entry(".posteriors:FullGaussian", _REFINEMENT, ("kingma2019",)),
        "planar": Entry(".posteriors:Planar", ("num_flows", *_REFINEMENT), ("rezende2015",)),
        "householder": Entry(".posteriors:Householder", ("num_flows", *_REFINEMENT), ("tomczak2016",)),
        "sylvester-orthogonal": Entry(
            ".posteriors:OrthogonalSylvester", ("num_flows", "num_directions", *_REFINEMENT), ("vandenberg2018",)
        ),
        "sylvester-householder": Entry(
            ".posteriors:HouseholderSylvester", ("num_flows", "num_reflections", *_REFINEMENT), ("vandenberg2018",)
        ),
        "sylvester-triangular": Entry(".posteriors:TriangularSylvester", ("num_flows", *_REFINEMENT), ("vandenberg2018",)),
        "inverse-autoregressive": Entry(
            ".posteriors:InverseAutoregressive",
            ("num_flows", "hidden_width", "context_dim", *_REFINEMENT),
            ("kingma2016", "germain2015"),
        ),
        "coupling-spline": Entry(
            ".posteriors:CouplingSpline",
            ("num_flows", "hidden_width", "num_bins", "context_dim", *_REFINEMENT),
            ("durkan2019",),
        ),
        "von-mises-fisher": Entry(".posteriors:VonMisesFisher", _REFINEMENT, ("davidson2018", "figurnov2018")),
        "deterministic": Entry(".posteriors:Deterministic"),
    },
    "likelihood": {
        "gaussian": Entry(".likelihoods:Gaussian", ("mean", "scale", "fixed_scale", "scale_floor"), ("kingma2014",)),
        "low-rank-gaussian": Entry(".likelihoods:LowRankGaussian", ("rank", "scale_floor")),
        "laplace": Entry(".likelihoods:Laplace", ("mean", "scale_floor")),
        "student-t": Entry(".likelihoods:StudentT", ("mean", "scale_floor"), ("takahashi2018",)),
        "log-normal": Entry(".likelihoods:LogNormal", ("scale_floor",)),
        "continuous-bernoulli": Entry(".likelihoods:ContinuousBernoulli", ("scale_floor",), ("loaiza2019",)),
        "beta": Entry(".likelihoods:Beta", ("scale_floor",), ("ferrari2004",)),
        "quantized-gaussian": Entry(".likelihoods:QuantizedGaussian", ("mean",), ("ho2020",)),
        "numpyro": Entry(".likelihoods:NumPyroLikelihood", ("distribution",), ("phan2019",)),
        "bernoulli": Entry(".likelihoods:Bernoulli", papers=("kingma2014",)),
        "discretized-logistic": Entry(".likelihoods:DiscretizedLogistic", ("mean",), ("kingma2016",)),
        "discretized-logistic-mixture": Entry(
            ".likelihoods:DiscretizedLogisticMixture", ("num_components",), ("salimans2017", "kingma2016")
        ),
        "categorical": Entry(".likelihoods:Categorical", papers=("vandenoord2016",)),
        "ordinal": Entry(".likelihoods:Ordinal", papers=("mccullagh1980",)),
        "poisson": Entry(".likelihoods:Poisson", ("library_size",), ("lopez2018",)),
        "negative-binomial": Entry(".likelihoods:NegativeBinomial", ("dispersion", "library_size"), ("lopez2018",)),
        "zero-inflated-negative-binomial": Entry(
            ".likelihoods:ZeroInflatedNegativeBinomial", ("dispersion", "library_size"), ("lopez2018",)
        ),
        "multinomial": Entry(".likelihoods:Multinomial", papers=("srivastava2017",)),
    },
    "network": {
        "mlp": Entry(".networks:MLP", (*_MLP, "layer_norm", "residual")),
        "gated-mlp": Entry(".networks:GatedMLP", ("hidden_widths", "decoder_widths", "dropout"), ("dauphin2017", "tomczak2018")),
        "conv": Entry(".networks:ConvNetwork", _IMAGES, ("lecun1998", "shi2016")),
        "resnet": Entry(".networks:ResNet", (*_IMAGES, "blocks"), ("he2016", "shi2016")),
    },
    "objective": {
        "elbo": Entry(".objectives:ELBO", (*_ELBO, "free_nats", "capacity_nats", "capacity_epochs", "gradient"), ("kingma2014",)),
        "iwae": Entry(".objectives:IWAE", _WEIGHTS, ("burda2016",)),
        "miwae": Entry(".objectives:MIWAE", (*_WEIGHTS, "num_groups"), ("rainforth2018",)),
        "ciwae": Entry(".objectives:CIWAE", (*_WEIGHTS, "elbo_weight"), ("rainforth2018",)),
        "piwae": Entry(".objectives:PIWAE", (*_WEIGHTS, "num_groups"), ("rainforth2018",)),
        "renyi": Entry(".objectives:RenyiBound", ("num_samples", "alpha"), ("li2016",)),
        "beta-tc": Entry(".objectives:BetaTCVAE", ("num_samples", "alpha", "beta", "gamma"), ("chen2018",)),
        "dip-i": Entry(".objectives:DIPVAEI", ("num_samples", "off_diagonal_weight", "diagonal_weight"), ("kumar2018",)),
        "dip-ii": Entry(".objectives:DIPVAEII", ("num_samples", "off_diagonal_weight", "diagonal_weight"), ("kumar2018",)),
        "info-vae": Entry(".objectives:InfoVAE", ("num_samples", "alpha", "mmd_weight", "kernel"), ("zhao2019", "gretton2012")),
        "wae-mmd": Entry(
            ".objectives:WassersteinAutoencoder", ("num_samples", "mmd_weight", "kernel"), ("tolstikhin2018", "gretton2012")
        ),
        "autoencoder": Entry(".objectives:Autoencoder", papers=("hinton2006",)),
        "denoising-autoencoder": Entry(".objectives:DenoisingAutoencoder", ("noise",), ("vincent2008",)),
        "sparse-autoencoder": Entry(".objectives:SparseAutoencoder", ("sparsity_weight",)),
        "rae-l2": Entry(".objectives:RegularisedAutoencoder", ("latent_weight", "decoder_weight"), ("ghosh2020",)),
    },
}
# Names that stand for another, chosen from the data when the model is built; they take the keys of all that they may become.
AUTOMATIC: dict[str, str] = {"likelihood": "auto", "network": "auto"}


def names_of(kind: str) -> tuple[str, ...]:
    """The names of a kind of part ("prior", ...), in the catalogue's order; "auto" first where there is one."""
    automatic = (AUTOMATIC[kind],) if kind in AUTOMATIC else ()
    return (*automatic, *CATALOGUE[kind])


def entry_of(kind: str, name: str) -> Entry:
    """The entry of a name; raises `ConfigurationError` with the nearest right one."""
    if name not in CATALOGUE[kind]:
        raise ConfigurationError(unknown_name_message(f"{kind}.name", name, names_of(kind)))
    return CATALOGUE[kind][name]


def class_of(kind: str, name: str) -> Any:
    """The class of a named part, imported now."""
    module, _, cls = entry_of(kind, name).path.partition(":")
    return getattr(importlib.import_module(module, __name__.partition(".")[0]), cls)


def name_of(kind: str, cls: type) -> str | None:
    """The name under which a class is in the catalogue; None for a class of a person's own."""
    names = (name for name, entry in CATALOGUE[kind].items() if entry.path.endswith(f":{cls.__name__}"))
    return next((name for name in names if class_of(kind, name) is cls), None)


def reads(kind: str, name: str, key: str) -> bool:
    """Whether the named part reads a key of its section; "auto" reads all."""
    return name == AUTOMATIC.get(kind) or key in CATALOGUE[kind][name].keys


def readers_of(kind: str, key: str) -> list[str]:
    """The names of the parts that read a key of their section."""
    return [name for name, entry in CATALOGUE[kind].items() if key in entry.keys]
