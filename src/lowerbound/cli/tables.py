"""`info`, `datasets`, `recipes`, `parts` and `cite`: what there is, as tables or JSON."""

from __future__ import annotations

import dataclasses
import math
import shlex
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config.scoring import beside_in_short
from ..errors import ConfigurationError, unknown_name_message
from .app import DataDir, Json, Run, app
from .console import print_json, show_choices, show_table
from .opening import saved_model

if TYPE_CHECKING:
    from ..config import PartConfig, RunConfig


@app.command(epilog="Example: lowerbound info runs/faces-1")
def info(run: Run, json: Json = False) -> None:
    """Say what a run is: its data, model, training and files."""
    from ..runs.folder import RunFolder

    if saved := saved_model(run):
        config, spec = saved
        if json:
            print_json({"path": str(run), "config": config.to_dict(), "scores": None})
        else:
            rows = [("model", "saved without its data"), ("of", spec.words), *_of_model(config)]
            show_table(str(run), (), [*rows, ("score it", f"lowerbound evaluate {shlex.quote(str(run))} DATA")])
        return
    folder = RunFolder.open(run)
    record, config = folder.info(), folder.config()
    scores = folder.scores()
    if json:
        print_json({"path": str(folder.path), **record, "config": config.to_dict(), "scores": scores})
        return
    data, sizes = record["data"], record["data"]["sizes"]
    shape = " x ".join(str(size) for size in data["event_shape"])
    rows = [
        ("data", f"{config.data.name}: {data['num_examples']:,} examples of {shape}, {data['dtype']}"),
        ("split", f"{sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test ({data['method']})"),
        ("recipe", record["recipe"]),
        *([("began with", f"the model of {record['started_from']['path']}")] if record.get("started_from") else []),
        *_of_model(config),
        ("trained", _how_it_went(record)),
        ("versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())),
        ("machine", f"{record['machine']['device']}, {record['machine']['cores']} cores"),
    ]
    if scores:
        split = scores["split"]
        told = beside_in_short(scores.get("given"))
        elbo, evidence = (math.nan if scores[name] is None else scores[name] for name in ("elbo_nats", "log_evidence_nats"))
        share = scores.get("weights_kl_nats")
        of_all = "" if share is None else f", of which the weights' KL / N takes {share:,.2f}"
        rows.append((f"{split} ELBO", f"{elbo:,.2f} nats{told}{of_all}"))
        rows.append((f"{split} evidence", f"{evidence:,.2f} nats{told}, {scores['num_samples']} importance samples"))
        rows.append(("active units", f"{scores['active_units']} of {scores['latent_dim']}"))
    rows.append(("open first", str(folder.path / "report.html") if (folder.path / "report.html").exists() else "(not ended yet)"))
    show_table(str(folder.path), (), rows)
    show_choices("Chosen for these data", folder.choices)


def _of_model(config: RunConfig) -> list[tuple[str, str]]:
    return [
        ("latents", f"{config.model.latent_dim} ({config.model.name})"),
        ("prior, posterior", f"{config.prior.name}, {config.posterior.name}"),
        ("likelihood", config.likelihood.name),
        ("network", _in_words(config.network)),
    ]


def _in_words(network: PartConfig) -> str:
    """Its kind and its sizes."""
    from ..config.layers import widths_of_decoder

    if "hidden_widths" in network.values:
        decoder = list(widths_of_decoder(network.values))
        return f"{network.name}, encoder {list(network.hidden_widths)}, decoder {decoder}"
    sizes = [f"{key} {list(value)}" for key, value in network.values.items() if isinstance(value, tuple)]
    return ", ".join([network.name, *sizes])


@app.command(epilog="Example: lowerbound datasets --data-dir ~/data")
def datasets(data_dir: DataDir = None, json: Json = False) -> None:
    """List the named data sets, and which are present."""
    from ..data.cache import data_directory
    from ..data.datasets import dataset_status

    statuses = dataset_status(data_dir)
    if json:
        print_json([dataclasses.asdict(status) for status in statuses])
        return
    rows = [
        (
            status.name,
            status.what,
            f"{status.num_examples:,}",
            " x ".join(str(size) for size in status.event_shape),
            status.where if status.present else "not here: fetched when first used",
        )
        for status in statuses
    ]
    show_table("Named data sets", ("name", "what", "examples", "shape", "where"), rows)
    typer.echo(f"Data directory: {data_directory(data_dir)} (--data-dir, else $LOWERBOUND_DATA, else the user's cache).")
    typer.echo(
        "Your own data: lowerbound train FILE.npy|FILE.npz|FILE.mat|FILE.csv[.gz]|FILE.parquet|FILE.h5ad|FILE.mtx[.gz]|"
        "FILE-idx3-ubyte[.gz]|FOLDER_OF_IMAGES"
    )


@app.command(epilog="Example: lowerbound train --recipe post-2018")
def recipes(json: Json = False) -> None:
    """List the recipes, with their papers and published figures."""
    from ..recipes import list_recipes
    from ..recipes.bibliography import one_line

    found = list_recipes()
    if json:
        whole = [(recipe, {**dataclasses.asdict(recipe.info), "citation": dict(recipe.info.reference)}) for recipe in found]
        print_json([{"name": recipe.name, **info, "config": recipe.config} for recipe, info in whole])
        return
    for recipe in found:
        info = recipe.info
        typer.echo(f"{recipe.name}: {info.title}")
        for label, text in (
            ("what", info.summary),
            ("data", info.data),
            ("paper", one_line(info.reference) if info.reference else ""),
            ("published", f"{info.published} ({info.published_source})" if info.published else ""),
            ("time", info.expected_time),
        ):
            if text:
                typer.echo(f"    {label + ':':<11}{text}")
    typer.echo("Use one: lowerbound train --recipe NAME; see its keys: lowerbound recipes --json")


@app.command(epilog="Examples: lowerbound parts · lowerbound parts iwae · lowerbound train digits --set prior.name=vamp")
def parts(
    name: Annotated[
        str, typer.Argument(metavar="[KIND|NAME]", help="A kind (prior, ...), or a part, whose keys are explained then.")
    ] = "",
    json: Json = False,
) -> None:
    """List the parts by name, with the configuration keys that each reads and the papers it comes from."""
    from ..config.catalogue import CATALOGUE, entries_of
    from ..recipes.bibliography import references

    named = [kind for kind in CATALOGUE if name in entries_of(kind)]
    if name and name not in CATALOGUE and not named:
        known_names = {*CATALOGUE, *(part for kind in CATALOGUE for part in CATALOGUE[kind])}
        raise ConfigurationError(unknown_name_message("KIND or NAME", name, known_names))
    kinds = named or ([name] if name else list(CATALOGUE))
    if json:
        chosen = {each: [part for part in CATALOGUE[each] if not named or part == name] for each in kinds}
        print_json({each: {part: CATALOGUE[each][part].to_json() for part in parts} for each, parts in chosen.items()})
        return
    for each in named:
        keys = CATALOGUE[each][name].keys.items()
        rows = [(key, dumps(what.to_json()["default"]), what.rule.describe(), what.help) for key, what in keys]
        show_table(f"{each}.name = {name}", ("key", "default", "allowed", "what it is"), rows)
    if named:
        return
    known = references()
    for each in kinds:
        rows = [
            (name, ", ".join(entry.keys), "; ".join(_short(known[paper]) for paper in entry.papers if paper in known))
            for name, entry in CATALOGUE[each].items()
        ]
        show_table(f"{each}.name", ("name", f"keys of its section, {each}", "papers"), rows)
    typer.echo("Use one: lowerbound train DATA --set prior.name=NAME, or in a TOML file. Any two combine unless they cannot.")


def _short(reference: Any) -> str:
    """`Kingma and Welling 2014`."""
    authors = reference["authors"].replace(" and ", ", ").split(", ")
    # A particle belongs to the family name: "van den Berg".
    family = [" ".join([word for word in author.split() if word.islower()] + author.split()[-1:]) for author in authors]
    names = " and ".join(family) if len(family) <= 2 else f"{family[0]} et al."
    return f"{names} {reference['year']}"


@app.command(epilog="Examples: lowerbound cite runs/faces-1 · lowerbound cite vamp-2018")
def cite(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or the name of a recipe.")],
) -> None:
    """Print the BibTeX of the papers behind exactly the parts that a run uses."""
    from ..recipes import load_recipe, recipe_names
    from ..recipes.bibliography import bibtex, papers_of, references

    if str(run) in recipe_names() and not run.exists():
        recipe = load_recipe(str(run))
        config, own = recipe.run_config(), recipe.info.paper
    else:
        from ..runs.folder import RunFolder

        saved = saved_model(run)
        folder = RunFolder(run) if saved else RunFolder.open(run)
        config, name = (saved[0], "") if saved else (folder.config(), folder.info()["recipe"])
        own = load_recipe(name).info.paper if name in recipe_names() else ""
    keys = [own, *papers_of(config)] if own in references() else papers_of(config)
    typer.echo(bibtex(dict.fromkeys(keys)), nl=False)


def _how_it_went(record: dict[str, Any]) -> str:
    if not record["stop_reason"]:
        return "not ended yet"
    return f"{record['epochs_done']:g} epochs in {record['seconds']:.1f} s: {record['stop_reason']}"
