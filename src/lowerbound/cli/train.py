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
from .console import is_terminal
from .runtime import StopRequest, prepare_jax, say

if TYPE_CHECKING:
    from ..runs.training import TrainingRun

REPORT = "report.html"


def start_training(
    data: str | None,
    recipe: str | None,
    overrides: list[str],
    epochs: int | None,
    seed: int | None,
    out: Path | None,
    data_dir: Path | None,
    *,
    report: bool,
    as_json: bool,
) -> None:
    """Train a new run. The configuration is checked before anything heavy is imported."""
    flags = {"training": {name: value for name, value in (("epochs", epochs), ("seed", seed)) if value is not None}}
    config, chosen = resolve_config(data, recipe, overrides, flags)
    config = _with_absolute_path(config)
    path = out or _free_folder(config.data.name)

    prepare_jax()
    from ..data.datasets import load_dataset
    from ..runs.folder import RunFolder
    from ..runs.training import TrainingRun

    RunFolder.check_free(path)
    dataset = load_dataset(config.data.name, config.data.key, data_dir, config.data.condition)
    run = TrainingRun.begin(path, config, dataset, recipe=chosen.name, command=_command())
    _train(run, report=report, as_json=as_json, resumed=False)


def resume_training(path: Path, epochs: int | None, data_dir: Path | None, *, report: bool, as_json: bool) -> None:
    """Continue a run at its newest whole checkpoint."""
    prepare_jax()
    from ..data.datasets import load_dataset
    from ..runs.folder import RunFolder
    from ..runs.training import TrainingRun
    from ..training import STOPPED_EARLY

    folder = RunFolder.open(path)
    data = folder.config().data
    dataset = load_dataset(data.name, data.key, data_dir, data.condition)
    run = TrainingRun.resume(path, dataset, epochs=epochs)
    page = folder.path / REPORT
    if not run.is_finished:
        # It shows the run as it was before.
        page.unlink(missing_ok=True)
    elif folder.model.exists() and (page.exists() or not report):
        longer = (
            "To train on all the same, start a new run with --set training.early_stopping_patience=0."
            if run.progress.stop_reason == STOPPED_EARLY
            else "To train longer: --epochs N."
        )
        say(f"nothing to do: {path} has ended already ({run.progress.stop_reason}). {longer}")
        return
    _train(run, report=report, as_json=as_json, resumed=True)


def _train(run: TrainingRun, *, report: bool, as_json: bool, resumed: bool) -> None:
    from ..report.training_log import TrainingLog
    from .progress import display, print_json

    for note in run.notes:
        say(f"note: {note}")
    step = int(run.progress.state.step)
    if not as_json:
        sizes = run.split.sizes
        where = f" from step {step:,}" if resumed else ""
        say(
            f"training on {run.dataset.name} ({sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test){where}, into {run.folder.path}"
        )
        say(f"the data are taken for {run.spec.words}; if they are something else, state it with data.kind")
    with StopRequest() as stop_request, TrainingLog(run, resume_step=step if resumed else None) as log:
        with display(as_json=as_json, is_terminal=is_terminal(sys.stderr)) as show:

            def on_record(record: Any, run: TrainingRun) -> None:
                log.record(record, run)
                show(record, run)

            model = run.run(on_record=on_record, should_stop=stop_request)
        if not run.is_finished:
            step, reason, path = int(run.progress.state.step), run.progress.stop_reason, str(run.folder.path)
            if as_json:
                print_json({"event": "stopped", "run": path, "reason": reason, "step": step})
            say(f"{reason} after step {step:,}; all is saved. Continue with: lowerbound train --resume {shlex.quote(path)}")
            raise typer.Exit(1)
        if not report:
            return _without_report(run, as_json=as_json)
        from ..report.run import write_report

        evaluation, diagnosis = write_report(run.folder, model, run.spec, run.config, run.dataset, run.split)
    page = run.folder.path / REPORT
    if as_json:
        scores = {} if evaluation is None else evaluation.to_json()
        fields = {"run": str(run.folder.path), "report": str(page), "verdict": diagnosis.verdict}
        print_json({"event": "finished", **fields, **scores})
        return
    from .doctor import say_verdict
    from .evaluate import show_evaluation

    if evaluation is not None:
        show_evaluation(evaluation)
    say_verdict(diagnosis, run.folder.path)
    say(f"{_how_it_ended(run)} in {run.progress.seconds:.1f} s of training. Open {page}")


def _without_report(run: TrainingRun, *, as_json: bool) -> None:
    from .progress import print_json

    path = str(run.folder.path)
    if as_json:
        print_json({"event": "finished", "run": path})
        return
    ended = f"{_how_it_ended(run)} in {run.progress.seconds:.1f} s of training"
    say(f"{ended}. For its report: lowerbound train --resume {shlex.quote(path)}")


def _how_it_ended(run: TrainingRun) -> str:
    progress = run.progress
    epoch = int(progress.state.step) / run.trainer.schedule.steps_per_epoch
    if run.config.training.early_stopping_patience == 0:
        return f"{progress.stop_reason}: {epoch:g} epochs"
    kept = f"the weights of epoch {progress.best_epoch:g} are kept (by {run.trainer.kept_by}),"
    return f"{progress.stop_reason}: {epoch:g} epochs, of which {kept}"


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
