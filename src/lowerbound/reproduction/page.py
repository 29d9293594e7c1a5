"""`index.html`: the figures of the paper trained again, each with a caption, and a table of ours beside the paper's."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path

from ..recipes.registry import load_recipe
from ..report.page import duration
from ..report.score_text import MINUS
from ..report.shell import Section, heads, page, table
from ..storage.atomic import write_text
from .budget import open_jobs, seconds_left
from .charts import save_bounds, save_evidences
from .lines import Line, LinePoint, Mean, lines_of, samples_text
from .pictures import save_planes, save_samples
from .plan import MNIST, Plan
from .record import Home, Reproduction

PAGE = "index.html"
_EN_DASH = "\N{EN DASH}"
_TITLES = {
    2: "The lower bound against training samples",
    3: "log p(x) against training samples",
    4: "The plane of two latents",
    5: "New digits",
}
_escape = html.escape


def write_page(plan: Plan, found: Reproduction, home: Home) -> Path:
    """Draw the figures that were asked for so far and write the page; its path. Raises `SavingError`."""
    figures = [number for number in found.figures if plan.of_figures([number]).curves]
    sections = {
        f"figure-{number}": Section(f"Figure {number}", f"Figure {number}. {_TITLES[number]}", _figure(number, plan, found, home))
        for number in figures
    }
    for title, content in (("Where the paper is silent", _silent(plan, found)), ("What is missing", _missing(plan, found, home))):
        sections[title.lower().replace(" ", "-")] = Section(title, title, content)
    heading = "Auto-Encoding Variational Bayes, trained again"
    whole = page(f"{heading} · lowerbound", "lowerbound reproduce", heading, _lead(plan, found), sections)
    write_text(home.path / PAGE, whole)
    return home.path / PAGE


def _lead(plan: Plan, found: Reproduction) -> str:
    names = {curve.name for curve in plan.curves}
    there = sum(point.curve in names for point in found.points)
    return (
        "The figures of section 5 of Kingma and Welling (2014, arXiv 1312.6114) beside models that were trained here as the "
        "paper says: one hidden layer of tanh units, Adagrad, batches of 100, one draw of z for each example. "
        f"<strong>{there} of {len(plan.jobs)} points</strong> are there, after {duration(found.seconds)}."
    )


def _figure(number: int, plan: Plan, found: Reproduction, home: Home) -> str:
    path = home.path / f"figure-{number}.png"
    if number in (2, 3):
        (save_bounds if number == 2 else save_evidences)(plan, found, path)
        lines = lines_of(plan, found, number)
        return _picture(path, number, _CAPTIONS[number]) + (_bounds_table(lines) if number == 2 else _evidences_table(lines))
    drawn = (save_planes if number == 4 else save_samples)(plan, found, home, path)
    if not drawn:
        return '<p class="intro">None of its models has been trained yet.</p>'
    return _picture(path, number, _CAPTIONS[number])


_CAPTIONS = {
    2: (
        "Nats per example: log-probabilities on MNIST, log-densities of pixels scaled to [0, 1] on the Frey faces. Full lines "
        "are ours, with filled marks on the test examples and open ones on the training examples. The paper's are dashed, with a "
        "diamond where its figure was read (to about 0.3 nats on MNIST, 5 on the Frey faces). Where several splits of the faces "
        "were trained, a mark is their mean and its bar one standard error; elsewhere the bar is that over examples."
    ),
    3: (
        "log p(x) of models with 3 latents and 100 hidden units, by the estimator of the paper's appendix D (posterior samples "
        "by Hamiltonian moves, and a density fitted to them) on the first 1,000 training and test examples. The paper's axis is "
        "linear up to 6e7 samples; the diamonds are what it shows there."
    ),
    4: (
        "What the decoder makes of a grid over its two latents. The coordinates are equal steps of probability, mapped through "
        "the inverse distribution function of N(0, 1), as in the paper."
    ),
    5: "Means of new digits, for z drawn from N(0, I). None was picked by hand.",
}


def _picture(path: Path, number: int, caption: str) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure class="card"><img class="picture" src="data:image/png;base64,{content}" alt="{_escape(_TITLES[number])}">'
        f'</figure><p class="intro">{_escape(caption)}</p>'
    )


def _bounds_table(lines: Sequence[Line]) -> str:
    levels = ((10**6, "test"), (10**7, "test"), (10**8, "test"), (10**8, "train"))
    return _table(lines, levels, "Lower bound in nats; below it the paper's, and in brackets ours minus the paper's.")


def _evidences_table(lines: Sequence[Line]) -> str:
    levels = ((6 * 10**7, "test"), (6 * 10**7, "train"))
    return _table(lines, levels, "log p(x) in nats; below it the paper's, and in brackets ours minus the paper's.")


def _table(lines: Sequence[Line], levels: Sequence[tuple[int, str]], caption: str) -> str:
    numbers = (*(f"{part} at {samples_text(level)}" for level, part in levels), "newest, test", "minutes")
    rows = "".join(
        f'<tr><th scope="row">{_escape(_name(line))}</th><td>{", ".join(f"{step:g}" for step in line.steps) or _EN_DASH}</td>'
        f'{"".join(_cell(line, level, part) for level, part in levels)}<td class="value">{_newest(line)}</td>'
        f'<td class="value">{f"{line.seconds / 60:.1f}" if line.points else _EN_DASH}</td></tr>'
        for line in lines
    )
    head = heads("Model", "Step") + heads(*numbers, values=True)
    return f'<p class="small">{_escape(caption)}</p>{table(head, rows)}'


def _name(line: Line) -> str:
    curve = line.curve
    examples = f"{curve.num_train:,} examples, " if curve.num_train else ""
    return f"{curve.source.title}, {examples}{curve.latents} latents, {curve.method.title}"


def _cell(line: Line, level: int, part: str) -> str:
    point, published = line.at(level), line.curve.published
    ours = None if point is None else getattr(point, part)
    theirs = None if published is None else getattr(published, part).get(level)
    text = _EN_DASH if ours is None else _nats(ours)
    if theirs is not None:
        beside = "" if ours is None else f" ({_signed(ours.nats - theirs)})"
        text += f'<div class="error">paper {_plain(theirs)}{beside}</div>'
    return f'<td class="value">{text}</td>'


def _newest(line: Line) -> str:
    if not line.points:
        return _EN_DASH
    newest: LinePoint = line.points[-1]
    splits = f", {newest.num_splits} splits" if newest.num_splits > 1 else ""
    return f'{_nats(newest.test)}<div class="error">at {samples_text(newest.level)}{splits}</div>'


def _nats(value: Mean) -> str:
    error = f' <span class="error">± {value.error:.1f}</span>' if math.isfinite(value.error) else ""
    return f"{_plain(value.nats)}{error}"


def _plain(value: float) -> str:
    return f"{value:,.1f}".replace("-", MINUS) if math.isfinite(value) else "not finite"


def _signed(value: float) -> str:
    return f"{value:+,.1f}".replace("-", MINUS)


def _silent(plan: Plan, found: Reproduction) -> str:
    steps = ", ".join(f"{step:g}" for step in plan.steps)
    items = [
        "How MNIST was made binary. All lines are of the static set, whose pixels were drawn once; for 20 latents a line is "
        "added whose pixels are drawn anew at each step, and whose scores are of one fixed draw.",
        "How the Frey faces were split. Here 200 faces are kept for validation and 200 for the test, at random; 20 latents are "
        "trained on five such splits first, the other sizes after them.",
        "Whether the 0.01 in N(0, 0.01), from which the weights begin, is a variance. "
        f"Here their standard deviation is {_key('network', 'initial_scale')}.",
        f"Where Adagrad's sums of squared gradients begin. Here at {_key('training', 'adagrad_start')}.",
        f"What “the first few iterations” are by which the step is chosen of {steps}. Here {plan.trial:,} training samples "
        "with each. The validation examples decide, by their bound, or for figure 3 by log p(x) of the first 100; the test "
        "examples have no part in it.",
        "What a training sample is in Monte Carlo EM. Here a batch counts once, although it stays for five updates.",
    ]
    return f"<ul>{''.join(f'<li>{_escape(item)}</li>' for item in items)}</ul>{_steps(plan, found)}"


def _key(section: str, key: str) -> str:
    """What the recipe sets, which all runs build on."""
    return f"{load_recipe(MNIST.recipe).config[section][key]:g}"


def _steps(plan: Plan, found: Reproduction) -> str:
    rows = ""
    for curve in plan.curves:
        trials = found.trials_of(curve.name)
        if not trials:
            continue
        best = found.best_step(curve.name)
        cells = ""
        for step in plan.steps:
            trial = trials.get(step)
            text = _EN_DASH if trial is None else "not finite" if trial.validation is None else _plain(trial.validation)
            cells += (
                f'<td class="value">{f"<strong>{text}</strong>" if step == best else f"<span class=error>{text}</span>"}</td>'
            )
        rows += f'<tr><th scope="row">{_escape(curve.title)}</th>{cells}</tr>'
    if not rows:
        return ""
    head = heads("Curve") + heads(*(f"step {step:g}" for step in plan.steps), values=True)
    return f"<details><summary>The trials of the steps, in nats of the validation examples</summary>{table(head, rows)}</details>"


def _missing(plan: Plan, found: Reproduction, home: Home) -> str:
    jobs = open_jobs(plan, found)
    failures = "".join(
        f"<li>{_escape(curve.title)}: {_escape(found.failures[curve.name])}</li>"
        for curve in plan.curves
        if curve.name in found.failures
    )
    failed = f"<p>Ended by numbers that were not finite:</p><ul>{failures}</ul>" if failures else ""
    if not jobs:
        return f"<p>Nothing: all {len(plan.jobs)} points are there.</p>{failed}"
    left = seconds_left(plan, found)
    rows = ""
    for line_curve, levels in _open_levels(plan, found).items():
        rows += f'<tr><th scope="row">{_escape(line_curve)}</th><td>{_escape(", ".join(map(samples_text, levels)))}</td></tr>'
    minutes = math.ceil(left / 60)
    command = f"{found.command(home.path)} --minutes {minutes}"
    return (
        f"<p>{len(jobs)} of {len(plan.jobs)} points, which would take about {duration(left)} on this machine. All of them:</p>"
        f"<pre>{_escape(command)}</pre>{failed}<details><summary>Which</summary>"
        f"{table(heads('Curve', 'training samples'), rows)}</details>"
        f'<p class="small">Each model is an ordinary run in {_escape(str(home.path / "runs"))}: every other command opens it.</p>'
    )


def _open_levels(plan: Plan, found: Reproduction) -> dict[str, list[int]]:
    levels: dict[str, list[int]] = {}
    for job in open_jobs(plan, found):
        levels.setdefault(job.curve.title, []).append(job.level)
    return levels
