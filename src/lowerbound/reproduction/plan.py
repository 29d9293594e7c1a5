"""What is trained for the figures: curves, and the numbers of training samples at which each is looked at. No JAX is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Literal

from .published import BOUNDS, EVIDENCES, Published

PAPERS = ("kingma-2014",)
FIGURES = (2, 3, 4, 5)
# What a point is: the lower bound, or log p(x) itself by the estimator of appendix D.
Quantity = Literal["bound", "evidence"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Data as a curve sees them: a named set, the recipe that its runs build on, and how long they take.

    - `dataset`: the named set that must be there. `overrides`: keys set on top of the recipe.
    - `has_split`: whether it comes with its split; otherwise a curve's seed decides.
    - `seconds`: of a million training samples on two cores, until they were measured.
    """

    name: str
    title: str
    dataset: str
    recipe: str
    seconds: float
    overrides: tuple[str, ...] = ()
    has_split: bool = True


@dataclasses.dataclass(frozen=True)
class Method:
    """How a curve's models are trained: the objective's name, and its cost beside that of the ELBO."""

    title: str
    objective: str
    cost: float


AEVB, WAKE_SLEEP = Method("AEVB", "elbo", 1.0), Method("wake-sleep", "wake-sleep", 1.5)
MONTE_CARLO_EM = Method("Monte Carlo EM", "monte-carlo-em", 12.0)

_MNIST_RECIPE = "kingma-2014-mnist"
MNIST = Source("mnist", "MNIST", "binarized-mnist", _MNIST_RECIPE, 25.0)
MNIST_ANEW = Source("mnist-anew", "MNIST, drawn anew", "mnist", _MNIST_RECIPE, 25.0, ("data.name=mnist", "data.binarize=dynamic"))
FREY = Source("frey", "Frey faces", "frey-faces", "kingma-2014-frey", 15.0, has_split=False)

BOUND_LEVELS = (10**5, 10**6, 3 * 10**6, 10**7, 3 * 10**7, 10**8)
EVIDENCE_LEVELS = (10**6, 3 * 10**6, 10**7, 3 * 10**7, 6 * 10**7)


@dataclasses.dataclass(frozen=True)
class Curve:
    """One line of a figure: models of one kind after more and more training samples.

    - `num_train`: train on the first so many training examples; None for all. `split`: the seed of the split, where the data come
      without one.
    - `levels`: the numbers of training samples at which it is looked at.
    - `rank`: it comes as late as a curve that is so many times as long: what tells less waits.
    """

    source: Source
    method: Method
    latents: int
    figures: tuple[int, ...]
    levels: tuple[int, ...] = BOUND_LEVELS
    overrides: tuple[str, ...] = ()
    num_train: int | None = None
    split: int = 0
    rank: float = 1.0

    @property
    def name(self) -> str:
        """Unique in a plan; its runs' folders begin with it."""
        parts = [self.source.name, f"{self.latents}-latents", self.method.title.lower().replace(" ", "-")]
        parts += [f"{self.num_train}-examples"] if self.num_train else []
        return "-".join([*parts, f"split-{self.split}"] if self.split else parts)

    @property
    def title(self) -> str:
        """For people."""
        examples = f", {self.num_train:,} examples" if self.num_train else ""
        split = "" if self.source.has_split else f", split {self.split}"
        return f"{self.source.title}, {self.latents} latents, {self.method.title}{examples}{split}"

    @property
    def quantity(self) -> Quantity:
        """What its points are."""
        return "evidence" if 3 in self.figures else "bound"

    @property
    def family(self) -> tuple[object, ...]:
        """What the curves of all splits share: they are one line of a figure."""
        return self.source, self.method, self.latents, self.num_train, self.overrides

    @property
    def settings(self) -> tuple[str, ...]:
        """The keys that are set on top of the recipe, beside the step and the seed."""
        split = () if self.source.has_split else (f"data.split_seed={self.split}",)
        own = (f"model.latent_dim={self.latents}", f"objective.name={self.method.objective}")
        return (*self.source.overrides, *own, *split, *self.overrides)

    @property
    def published(self) -> Published | None:
        """The paper's own curve; None where it prints none."""
        if self.quantity == "evidence":
            return EVIDENCES.get((self.method.title, self.num_train or 0))
        return BOUNDS.get((self.source.name.removesuffix("-anew"), self.method.title, self.latents))


@dataclasses.dataclass(frozen=True)
class Job:
    """Train the models of a curve up to a level, and look at them."""

    curve: Curve
    level: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """All curves of a paper, and how the step of each is chosen: by short trials of `steps`, `trial` samples long."""

    curves: tuple[Curve, ...]
    steps: tuple[float, ...] = (0.01, 0.02, 0.1)
    trial: int = 10**5

    def of_figures(self, figures: Iterable[int]) -> Plan:
        """The curves that these figures need."""
        wanted = set(figures)
        return dataclasses.replace(self, curves=tuple(curve for curve in self.curves if wanted & set(curve.figures)))

    @property
    def jobs(self) -> list[Job]:
        """All of them: fewest samples first, in the order of the curves among equals."""
        jobs = [Job(curve, level) for curve in self.curves for level in curve.levels]
        return sorted(jobs, key=lambda job: job.level * job.curve.rank)

    @property
    def datasets(self) -> Mapping[str, Source]:
        """The named sets that must be there."""
        return {curve.source.dataset: curve.source for curve in self.curves}


def kingma_2014() -> Plan:
    """Section 5 of Auto-Encoding Variational Bayes (arXiv 1312.6114)."""
    # Figure 4 needs two latents of both sets, figure 5 the first four numbers of latents of MNIST.
    of_mnist = {2: (4, 5), 3: (2,), 5: (2, 5), 10: (2, 5), 20: (2, 5), 200: (2,)}
    of_frey = {2: (2, 4), 5: (2,), 10: (2,), 20: (2,)}
    curves = [Curve(MNIST, AEVB, latents, figures) for latents, figures in of_mnist.items()]
    curves += [Curve(FREY, AEVB, latents, figures) for latents, figures in of_frey.items()]
    curves += [Curve(MNIST, WAKE_SLEEP, latents, (2,)) for latents in (3, 5, 10, 20, 200)]
    curves += [Curve(FREY, WAKE_SLEEP, latents, (2,)) for latents in of_frey]
    curves += [Curve(MNIST_ANEW, AEVB, 20, (2,))]
    # A point of log p(x) takes minutes, so the bounds at as many samples come first.
    curves += [
        Curve(MNIST, method, 3, (3,), EVIDENCE_LEVELS, ("network.hidden_widths=[100]",), num_train, rank=3.0)
        for method in (AEVB, WAKE_SLEEP, MONTE_CARLO_EM)
        for num_train in (1000, 50_000)
    ]
    # The test faces change with the split, so that one split says little; most is wanted of 20 latents.
    curves += [Curve(FREY, AEVB, 20, (2,), split=split, rank=3.0) for split in (1, 2, 3, 4)]
    curves += [Curve(FREY, AEVB, latents, (2,), split=split, rank=10.0) for latents in (2, 5, 10) for split in (1, 2, 3, 4)]
    return Plan(tuple(curves))
