"""`lowerbound train`: from options to a run, watched on the terminal and in TensorBoard, ending in a report."""

from __future__ import annotations

import itertools
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..config import RunConfig
from ..recipes import resolve_config
from .runtime import StopRequest, prepare_jax, say, warnings_as_sentences

if TYPE_CHECKING:
    from ..runs.training import TrainingRun


def start_training(
    data: str | None,
    recipe: str | None,
    overrides: list[str],
    epochs: int | None,
    seed: int | None,
    out: Path | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Train a new run. The configuration is checked before anything heavy is imported."""
    flags = {"training": {name: value for name, value in (("epochs", epochs), ("seed", seed)) if value is not None}}
    config, chosen = resolve_config(data, recipe, overrides, flags)
    config = _with_absolute_path(config)
    path = out or _free_folder(config.data.name)

    from ..data.datasets import load_dataset

    with warnings_as_sentences(say):
        dataset = load_dataset(config.data.name, config.data.key, data_dir)
        prepare_jax()
        from ..runs.training import TrainingRun

        run = TrainingRun.begin(path, config, dataset, recipe=chosen.name, command=_command())
    _train(run, as_json=as_json, resumed=False)


def resume_training(path: Path, epochs: int | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Continue a run at its newest whole checkpoint."""
    from ..data.datasets import load_dataset
    from ..runs.folder import RunFolder

    folder = RunFolder.open(path)
    data = folder.config().data
    with warnings_as_sentences(say):
        dataset = load_dataset(data.name, data.key, data_dir)
        prepare_jax()
        from ..runs.training import TrainingRun

        run = TrainingRun.resume(path, dataset, epochs=epochs)
    for note in run.notes:
        say(f"note: {note}")
    if run.is_finished and folder.model.exists():
        say(f"nothing to do: {path} has ended already ({run.progress.stop_reason}). To train longer: --epochs N.")
        return
    _train(run, as_json=as_json, resumed=True)


def _train(run: TrainingRun, *, as_json: bool, resumed: bool) -> None:
    from ..report.training_log import TrainingLog
    from .progress import display, print_json

    step = int(run.progress.state.step)
    if not as_json:
        sizes = run.split.sizes
        where = f" from step {step:,}" if resumed else ""
        say(
            f"training on {run.dataset.name} ({sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test){where}, into {run.folder.path}"
        )
    with StopRequest() as stop_request, TrainingLog(run, resume_step=step if resumed else None) as log:
        with display(as_json=as_json, is_terminal=sys.stderr.isatty()) as show:

            def on_record(record: Any, run: TrainingRun) -> None:
                log.record(record, run)
                show(record, run)

            model = run.run(on_record=on_record, should_stop=stop_request)
        if not run.is_finished:
            say(
                f"{run.progress.stop_reason} after step {int(run.progress.state.step):,}; everything is saved. "
                f"Continue with: lowerbound train --resume {shlex.quote(str(run.folder.path))}"
            )
            raise typer.Exit(1)
        from ..report.run import write_report

        evaluation = write_report(run.folder, model, run.spec, run.config, run.dataset, run.split)
    report = run.folder.path / "report.html"
    if as_json:
        print_json({"event": "finished", "run": str(run.folder.path), "report": str(report), **evaluation.to_json()})
        return
    from .outputs import show_evaluation

    show_evaluation(evaluation)
    say(f"{run.progress.stop_reason}: {run.progress.seconds:.1f} s of training. Open {report}")


def _free_folder(data_name: str) -> Path:
    name = Path(data_name).stem
    return next(path for n in itertools.count(1) if not (path := Path("runs") / f"{name}-{n}").exists())


def _with_absolute_path(config: RunConfig) -> RunConfig:
    """A file is found again from any folder; a named set keeps its name."""
    path = Path(config.data.name).expanduser()
    is_own = path.exists() and ("/" in config.data.name or path.suffix or not _is_named(config.data.name))
    return config.updated({"data": {"name": str(path.resolve())}}) if is_own else config


def _is_named(name: str) -> bool:
    from ..data.named import NAMED_SETS

    return name in NAMED_SETS


def _command() -> str:
    return shlex.join(["lowerbound", *sys.argv[1:]])
