"""`lowerbound train`: from options to a run, watched on the terminal and in TensorBoard, ending in a report."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..devices.processes import check_place, ended, is_first, join
from ..errors import ConfigurationError
from .app import Coordinator, DataDir, Devices, Json, Process, Processes, app, seed_option
from .console import is_terminal, print_json
from .devices import check_devices, devices_for, own_devices
from .doctor import say_verdict
from .evaluate import show_evaluation
from .runtime import StopRequest, prepare_jax, say

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..recipes.registry import Recipe
    from ..runs.start import Start
    from ..runs.training import TrainingRun

REPORT = "report.html"


@app.command(
    epilog="Examples: lowerbound train · lowerbound train digits --epochs 50 --set model.latent_dim=10 · "
    "lowerbound train my_images/ --out runs/mine · lowerbound train --resume runs/mine · "
    "lowerbound train new_images/ --from runs/mine --set training.learning_rate=1e-4"
)
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A named set (`lowerbound datasets`), a .npy, .npz, .mat, idx, .csv or .parquet file, a folder of images, or "
            "the URL of a database.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="A recipe (see `lowerbound recipes`) or a TOML file.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="section.key=value", help="Set one key of the configuration; repeatable.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The variable in a .npz or .mat file.")] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|COLUMN", help="Examples for validation; or the column or variable that is 1 or TRUE for them."
        ),
    ] = None,
    schema: Annotated[
        str | None, typer.Option(metavar="FILE.toml", help="The kinds of a table's columns (see `lowerbound schema`).")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Of a database, the SQL whose rows are the table.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    seed: Annotated[int | None, seed_option("the weights, the batches and the noise")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/DATA-N.")] = None,
    data_dir: DataDir = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Continue this run from its newest checkpoint.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Begin a new run with this one's model: on other data, or trained otherwise."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Scores, pictures and page at the end; --resume makes them later.")
    ] = True,
    devices: Devices = None,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process: Process = None,
    json: Json = False,
) -> None:
    """Train a model; with no argument, on the built-in faces."""
    check_devices(devices)
    check_place(coordinator, processes, process)
    if resume is not None:
        given = {
            "DATA": data,
            "--recipe": recipe,
            "--set": overrides,
            "--key": key,
            "--validation": validation,
            "--schema": schema,
            "--query": query,
            "--seed": seed,
            "--out": out,
            "--from": start,
        }
        unwanted = [name for name, value in given.items() if value is not None and value != []]
        if unwanted:
            raise ConfigurationError(
                f"--resume continues a run as it was configured; {', '.join(unwanted)} cannot be given with it (only --epochs, "
                "--data-dir, --no-report, --json, --devices and those of several processes can). Start a new run instead, or "
                "leave it out."
            )
        join(coordinator, processes, process)
        return _resume(resume, epochs, data_dir, devices, report=report, as_json=json)
    from ..recipes import resolve_config

    # The configuration is checked before anything heavy is imported.
    flags = {"training": {name: value for name, value in (("epochs", epochs), ("seed", seed)) if value is not None}}
    of_data = {"key": key, "validation": validation, "schema": schema, "query": query}
    flags |= {"data": {name: value for name, value in of_data.items() if value is not None}}
    config, chosen = resolve_config(data, recipe, overrides or [], flags)
    before, base = (None, None) if start is None else _start(start, data)
    if base is not None:
        config, chosen = resolve_config(data, recipe, overrides or [], flags, base)
    config = _with_absolute_path(config)
    path = out or _free_folder(config.data.name)

    join(coordinator, processes, process)
    prepare_jax()
    from ..assembly.build import infers_labels
    from ..data.datasets import load_configured
    from ..runs.folder import RunFolder
    from ..runs.training import TrainingRun

    if is_first():
        RunFolder.check_free(path)
    dataset = load_configured(config.data, data_dir, are_labels=infers_labels(config))
    command = shlex.join(["lowerbound", *sys.argv[1:]])
    run = TrainingRun.begin(
        path, config, dataset, recipe=chosen.name, command=command, given=chosen.given, start=before, mesh=devices_for(devices)
    )
    _train(run, devices, report=report, as_json=json, resumed=False)


def _start(path: Path, data: str | None) -> tuple[Start, Recipe]:
    """The model that a new run begins with, and its configuration, for `data` where they are given."""
    from ..config.sections import DataConfig
    from ..recipes.registry import Recipe, RecipeInfo
    from ..runs.start import Start
    from .opening import open_run

    run = open_run(path)
    if data is None and not run.has_data:
        raise ConfigurationError(f"{path} holds a model without its data; give them: lowerbound train DATA --from {path}.")
    start, name = Start(path, run.model, run.spec, run.config), run.folder.info()["recipe"] if run.has_data else str(path)
    config = start.config
    if data is not None:
        # Whatever was said of the rows and the variables of the other data.
        others = {"key": "", "query": ""} | (
            {"validation": DataConfig().validation} if isinstance(config.data.validation, str) else {}
        )
        config = config.updated({"data": others})
    return start, Recipe(name, RecipeInfo(), config.to_dict())


def _resume(path: Path, epochs: int | None, data_dir: Path | None, devices: int | None, *, report: bool, as_json: bool) -> None:
    """Continue a run at its newest whole checkpoint."""
    prepare_jax()
    from ..assembly.build import infers_labels
    from ..data.datasets import load_configured
    from ..runs.folder import RunFolder
    from ..runs.training import TrainingRun
    from ..training import STOPPED_EARLY

    folder = RunFolder.open(path)
    config = folder.config()
    dataset = load_configured(config.data, data_dir, are_labels=infers_labels(config), has_begun=True)
    run = TrainingRun.resume(path, dataset, epochs=epochs, mesh=devices_for(devices))
    page = folder.path / REPORT
    if not run.is_finished:
        # It shows the run as it was before.
        if run.writes:
            page.unlink(missing_ok=True)
    elif folder.model.exists() and (page.exists() or not report):
        longer = (
            "To train on all the same, start a new run with --set training.early_stopping_patience=0."
            if run.progress.stop_reason == STOPPED_EARLY
            else "To train longer: --epochs N."
        )
        say(f"nothing to do: {path} has ended already ({run.progress.stop_reason}). {longer}")
        return ended()
    _train(run, devices, report=report, as_json=as_json, resumed=True)


def _train(run: TrainingRun, devices: int | None, *, report: bool, as_json: bool, resumed: bool) -> None:
    from ..report.training_log import TrainingLog
    from ..training.noise import has_noise
    from .progress import display

    if not run.writes:
        with StopRequest() as stop_request:
            run.run(should_stop=stop_request)
        return ended()
    for note in run.notes:
        say(f"note: {note}")
    step = int(run.progress.state.step)
    if not as_json:
        sizes = run.split.sizes
        where = f" from step {step:,}" if resumed else ""
        say(
            f"training on {run.dataset.name} ({sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test){where}{_shared_by(run)}, into {run.folder.path}"
        )
        say(f"the data are taken for {run.spec.words}; if they are something else, state it with data.kind")
        for choice in run.choices:
            say(choice.words)
        if how := run.trainer.how_fed:
            say(how)
    with (
        StopRequest() as stop_request,
        TrainingLog(run, resume_step=step if resumed else None) as log,
        display(as_json=as_json, is_terminal=is_terminal(sys.stderr)) as show,
    ):

        def on_record(record: Any, run: TrainingRun) -> None:
            log.record(record, run)
            show(record, run)

        model = run.run(on_record=on_record, should_stop=stop_request)
    again = f"lowerbound train --resume {shlex.quote(str(run.folder.path))}"
    if not run.is_finished:
        step, reason = int(run.progress.state.step), run.progress.stop_reason
        if as_json:
            print_json({"event": "stopped", "run": str(run.folder.path), "reason": reason, "step": step}, indent=None)
        say(f"{reason} after step {step:,}; all is saved. Continue with: {again}")
        ended()
        raise typer.Exit(1)
    page, evaluation, diagnosis = run.folder.path / REPORT, None, None
    if report:
        from ..report.run import write_report

        try:
            if stop_request.reason:
                raise KeyboardInterrupt
            evaluation, diagnosis = write_report(
                run.folder, model, run.spec, run.config, run.dataset, run.split, own_devices(devices)
            )
        except KeyboardInterrupt:
            say(f"training has ended, and the model is saved; its scores, pictures and page are not. Make them with: {again}")
            raise
    ended()
    if as_json:
        about = {} if diagnosis is None else {"report": str(page), "verdict": diagnosis.verdict}
        scores = {} if evaluation is None else evaluation.to_json()
        return print_json({"event": "finished", "run": str(run.folder.path), **about, **scores}, indent=None)
    if has_noise(model):
        say(
            "now that training has ended, what a pixel tells of the next was fitted, with all else as it is: the bounds above "
            "are without it, all figures from here on with it"
        )
    if evaluation is not None:
        show_evaluation(evaluation)
    if diagnosis is not None:
        say_verdict(diagnosis, run.folder.path)
    waited = run.trainer.feed.waited
    share = f" ({waited / max(run.progress.seconds, waited, 1e-9):.0%} of it waiting for data)" if waited else ""
    last = f"Open {page}" if report else f"For its report: {again}"
    say(f"{_how_it_ended(run)} in {run.progress.seconds:.1f} s of training{share}. {last}")


def _shared_by(run: TrainingRun) -> str:
    """On how many devices, where they are more than one."""
    mesh = run.trainer.mesh
    return f" on {mesh.size} devices ({mesh.devices.flat[0].device_kind})" if mesh.size > 1 else ""


def _how_it_ended(run: TrainingRun) -> str:
    progress = run.progress
    epoch = int(progress.state.step) / run.trainer.schedule.steps_per_epoch
    if run.config.training.early_stopping_patience == 0:
        return f"{progress.stop_reason}: {epoch:g} epochs"
    kept = f"the weights of epoch {progress.best_epoch:g} are kept (by {run.trainer.kept_by}),"
    return f"{progress.stop_reason}: {epoch:g} epochs, of which {kept}"


def _free_folder(data_name: str) -> Path:
    from ..data.endings import without_ending

    name = without_ending(Path(data_name))
    return next(path for n in itertools.count(1) if not (path := Path("runs") / f"{name}-{n}").exists())


def _with_absolute_path(config: RunConfig) -> RunConfig:
    """Files are found again from any folder; a named set keeps its name, and a column or a variable its own."""
    from ..data.columns.sql import SQLITE
    from ..data.named import NAMED_SETS

    path, changes = Path(config.data.name).expanduser(), {}
    if path.exists() and ("/" in config.data.name or path.suffix or config.data.name not in NAMED_SETS):
        changes["name"] = str(path.resolve())
    if isinstance(config.data.validation, str) and (path := Path(config.data.validation).expanduser()).exists():
        changes["validation"] = str(path.resolve())
    if config.data.schema:
        changes["schema"] = str(Path(config.data.schema).expanduser().resolve())
    if (found := SQLITE.fullmatch(config.data.name)) is not None:
        changes["name"] = f"sqlite:///{Path(found[1]).resolve()}"
    return config.updated({"data": changes}) if changes else config
