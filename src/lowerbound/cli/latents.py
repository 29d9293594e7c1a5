"""`latents`: what each latent of a run carries, and how the code relates to the factors of the data where they are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from .app import LARGEST_TREE_SEED, DataDir, Json, Key, OtherData, Run, Split, app, seed_option
from .console import print_json, show_table, show_text
from .opening import open_run
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.dataset import Render
    from ..evaluation import LatentTable
    from ..evaluation.disentanglement import DisentanglementScores
    from ..models import AbstractLatentVariableModel

# New examples for the scores that need no groups.
GENERATED = 3000


@app.command(epilog="Example: lowerbound latents runs/faces-1 --split train")
def latents(
    run: Run,
    data: OtherData = None,
    split: Split = "test",
    key: Key = "",
    data_dir: DataDir = None,
    seed: Annotated[int, seed_option("the draws, groups and forests", largest=LARGEST_TREE_SEED)] = 0,
    json: Json = False,
) -> None:
    """Say what each latent carries, and score the code against the factors of the data where they are known (faces)."""
    opened = open_run(run)
    model, (examples, shown) = opened.model, opened.shown(split, data, key, data_dir)
    dataset = None if data else opened.dataset(data_dir)
    import numpy as np

    from ..errors import DataError
    from ..evaluation import latent_table
    from ..evaluation.disentanglement import disentanglement_scores, independent_factors
    from ..evaluation.disentanglement.fixed_factor import GENERATED_GROUP, GENERATED_VOTES

    table = latent_table(model, examples, seed=seed)
    scores, why = None, "the data have no known factors"
    if dataset is not None and dataset.factors is not None:
        factors, codes = np.asarray(dataset.factors)[getattr(opened.folder.split(), split)], table.means
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
    if json:
        print_json(
            {
                "split": split if data is None else None,
                "data": data,
                **table.to_json(),
                "scores": None if scores is None else scores.to_json(),
            }
        )
    else:
        _show(shown, table, scores, why)


def _encoder(model: AbstractLatentVariableModel, render: Render, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """From factors, through examples that are drawn anew, to codes."""
    import numpy as np

    from ..data.examples import for_device
    from ..evaluation import posterior_means

    rng = np.random.default_rng(seed)
    return lambda factors: posterior_means(model, for_device(render(factors, rng)))


def _show(shown: str, table: LatentTable, scores: DisentanglementScores | None, why_no_scores: str) -> None:
    import numpy as np

    from ..evaluation.latent_table import COLUMNS

    rows: list[tuple[str, ...]] = []
    for j, cells in table.rows():
        if scores is not None:
            best = int(np.argmax(scores.information_nats[j]))
            cells = (*cells, f"{scores.factor_names[best]} ({scores.information_nats[j][best]:.2f} nats)")
        rows.append(cells)
    columns = COLUMNS if scores is None else (*COLUMNS, "knows most of")
    show_table(f"{shown.removeprefix('the ')}, {len(table.means):,} examples", columns, rows, numbers=COLUMNS)
    if table.sentences:
        show_text("\n".join(table.sentences))
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
    listed = [(text, f"{getattr(scores, name):.3f}") for name, text in names.items()]
    show_table("against the known factors; 1 is best", ("score", "value"), listed, numbers=("value",))
    show_text(
        f"{scores.num_examples:,} examples, groups that share a factor from the {scores.groups_from}, "
        f"{scores.code_bins} bins a latent, {scores.factor_bins} a factor, seed {scores.seed}: "
        "scores with other numbers are others.",
    )
