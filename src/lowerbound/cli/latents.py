"""`latents`: what each latent of a run carries, and how the code relates to the factors of the data where they are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import DataDir, Json, Run, Split, app
from .console import print_json, show_table, show_text
from .opening import open_run
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.dataset import Render
    from ..models import AbstractLatentVariableModel

# New examples for the scores that need no groups.
GENERATED = 3000

# What the estimate of all codes together calls otherwise.
_NAMES = {"most_nats": "most_mutual_information_nats", "num_examples": "aggregate_num_examples"}


@app.command(epilog="Example: lowerbound latents runs/faces-1 --split train")
def latents(
    run: Run,
    split: Split = "test",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(help="The seed of the draws, groups and forests.")] = 0,
    json: Json = False,
) -> None:
    """Say what each latent carries, and score the code against the factors of the data where they are known (faces)."""
    opened = open_run(run)
    model, data, dataset = opened.model, opened.examples(split, data_dir), opened.dataset(data_dir)
    import numpy as np

    from ..errors import DataError
    from ..evaluation import active_units, kl_by_latent, posterior_means
    from ..evaluation.aggregate import AggregateEstimate, aggregate_posterior
    from ..evaluation.disentanglement import disentanglement_scores, independent_factors
    from ..evaluation.disentanglement.fixed_factor import GENERATED_GROUP, GENERATED_VOTES

    means = posterior_means(model, data)
    kl = kl_by_latent(model, data) if model.has_density else None
    aggregate = aggregate_posterior(model, data, seed=seed) if model.has_density else None
    scores, why = None, "the data have no known factors"
    if dataset.factors is not None:
        factors, codes = np.asarray(dataset.factors)[getattr(opened.folder.split(), split)], means
        # The set's own generator makes as many examples as the scores need, whatever the split holds.
        encode = None if dataset.render is None or model.condition_dim else _encoder(model, dataset.render, seed)
        if encode is not None:
            factors = independent_factors(factors, GENERATED, np.random.default_rng(seed))
            say(f"drawing {GENERATED + GENERATED_VOTES * GENERATED_GROUP:,} new examples of {dataset.name} for the scores")
            codes = encode(factors)
        try:
            scores = disentanglement_scores(codes, factors, tuple(dataset.factor_names), encode=encode, seed=seed)
        except DataError as error:
            why = str(error)
    of_aggregate = {field.name: getattr(aggregate, field.name, None) for field in dataclasses.fields(AggregateEstimate)}
    found: dict[str, Any] = {
        "split": split,
        "num_examples": len(data),
        "variance_of_means": np.var(means, axis=0, dtype=np.float64).tolist(),
        "is_active": active_units(means).tolist(),
        "kl_by_latent_nats": None if kl is None else kl.tolist(),
        **{_NAMES.get(name, name.replace("_error", "_standard_error")): value for name, value in of_aggregate.items()},
        "scores": None if scores is None else scores.to_json(),
    }
    if json:
        print_json(found)
    else:
        _show(found, why)


def _encoder(model: AbstractLatentVariableModel, render: Render, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """From factors, through examples that are drawn anew, to codes."""
    import numpy as np

    from ..data.levels import for_device
    from ..evaluation import posterior_means

    rng = np.random.default_rng(seed)
    return lambda factors: posterior_means(model, for_device(render(factors, rng)))


def _show(found: dict[str, Any], why_no_scores: str) -> None:
    import numpy as np

    kl, scores = found["kl_by_latent_nats"], found["scores"]
    columns = ("latent", "KL [nats]", "variance of E[z|x]", "active")
    carried = found["variance_of_means"] if kl is None else kl
    rows = []
    for j in np.argsort(-np.asarray(carried), kind="stable").tolist():
        cells = [
            f"z{j}",
            "" if kl is None else f"{kl[j]:.3f}",
            f"{found['variance_of_means'][j]:.3f}",
            "yes" if found["is_active"][j] else "no",
        ]
        if scores is not None:
            best = int(np.argmax(scores["information_nats"][j]))
            cells.append(f"{scores['factor_names'][best]} ({scores['information_nats'][j][best]:.2f} nats)")
        rows.append(cells)
    shown = columns if scores is None else (*columns, "knows most of")
    show_table(f"{found['split']} split, {found['num_examples']:,} examples", shown, rows, numbers=columns)
    if found["mutual_information_nats"] is not None:
        told, most = found["mutual_information_nats"], found["most_mutual_information_nats"]
        apart, error = found["aggregate_kl_nats"], found["aggregate_kl_standard_error"]
        # So near to the ceiling, the information may well be larger and the divergence smaller.
        at_least, at_most = ("at least ", "at most ") if told > 0.8 * most else ("", "")
        show_text(
            f"The code tells {at_least}{told:.2f} ± {found['mutual_information_standard_error']:.2f} nats about which example it "
            f"is, I(x; z); {found['aggregate_num_examples']:,} examples cannot show more than {most:.2f}.\n"
            f"All codes together are {at_most}{apart:.2f} ± {error:.2f} nats from the prior, KL(q(z) || p(z))."
        )
    if found["total_correlation_nats"] is not None:
        rest = found["dimension_wise_kl_nats"]
        show_text(
            f"Of these {found['total_correlation_nats']:.2f} ± {found['total_correlation_standard_error']:.2f} nats are because "
            "the latents depend on each other, their total correlation"
            + (
                "."
                if rest is None
                else f", and {rest:.2f} ± {found['dimension_wise_kl_standard_error']:.2f} are of each by itself."
            )
        )
    if scores is None:
        show_text(f"No scores against factors: {why_no_scores}.".replace("..", "."))
        return
    names = {
        "mig": "MIG: gap between a factor's two best latents, in its entropy",
        "sap": "SAP: the same in R² of one latent",
        "modularity": "modularity: each latent knows of one factor",
        "dci_disentanglement": "DCI, disentanglement: each latent serves one factor",
        "dci_completeness": "DCI, completeness: each factor is served by one latent",
        "dci_informativeness": "DCI, informativeness: R² of all latents together",
        "factor_vae": "FactorVAE score: majority vote",
        "beta_vae": "beta-VAE score: linear classifier",
    }
    listed = [(text, f"{scores[name]:.3f}") for name, text in names.items()]
    show_table("against the known factors; 1 is best", ("score", "value"), listed, numbers=("value",))
    show_text(
        f"{scores['num_examples']:,} examples, groups that share a factor from the {scores['groups_from']}, "
        f"{scores['code_bins']} bins a latent, {scores['factor_bins']} a factor, seed {scores['seed']}: "
        "scores with other numbers are others.",
    )
