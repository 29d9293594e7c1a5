"""`report.html`: one self-contained page about a run, for a person to open first."""

from __future__ import annotations

import html
import math
import re
import shlex
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..diagnosis import Diagnosis, diagnose
from ..diagnosis.monitors import monitor_texts
from ..evaluation.reconstruction import NO_BOUND
from ..summaries import RunSummary, Score
from .page_pictures import charts, column_charts, grid, latent_charts, reconstruction_grid
from .page_table import table_section
from .score_text import error_text, explanation, measure_note, measure_text, number, title_of
from .shell import Section, heads, page, table

_TAGS = {"serious": "Serious", "warning": "Warning", "note": "Good to know"}
_escape = html.escape


def render_report(summary: RunSummary, diagnosis: Diagnosis | None = None) -> str:
    """The page as one string of HTML: no script, and nothing fetched from anywhere. The diagnosis is made where none is given."""
    found = diagnose(summary) if diagnosis is None else diagnosis
    sections: dict[str, tuple[str, Callable[[], str]]] = {
        "samples": ("Samples", lambda: _samples(summary)),
        "worries": ("What to worry about", lambda: _worries(summary, found)),
        **({"columns": ("Columns", lambda: table_section(summary))} if summary.spec.columns else {}),
        "scores": ("Scores", lambda: _scores(summary)),
        "training": ("Training", lambda: _training(summary)),
        "reconstructions": ("Reconstructions", lambda: _reconstructions(summary)),
        "latent-space": ("Latent space", lambda: _latent_space(summary)),
        "configuration": ("Configuration", lambda: _configuration(summary)),
        "reproduce": ("Reproduce", lambda: _reproduce(summary)),
    }
    return page(
        f"{summary.name} · lowerbound report",
        "lowerbound report",
        summary.name,
        _lead(summary),
        {name: Section(title, title, content()) for name, (title, content) in sections.items()},
        summary.versions.get("lowerbound", ""),
    )


def _lead(summary: RunSummary) -> str:
    """The run in one or two sentences."""
    kind = "A variational autoencoder" if summary.has_bound else "An autoencoder"
    text = (
        f"{kind} with {summary.latent_dim} latent {'variable' if summary.latent_dim == 1 else 'variables'} "
        f"and the likelihood {summary.config.likelihood.name}, trained on {summary.num_train:,} examples of "
        f"<strong>{_escape(summary.data_name)}</strong> ({_escape(summary.spec.words)}): "
        f"{_escape(summary.how_it_ended)}, {duration(summary.seconds)}."
    )
    # Where the weights are random, the ELBO is a bound for all training examples together and for none by itself.
    score = summary.score("log_evidence_nats" if summary.weights_are_random else "elbo_nats")
    if score is not None and math.isfinite(score.value):
        of = (
            f"an estimated log predictive {measure_text(score)} of"
            if summary.weights_are_random
            else f"a log-{measure_text(score)} of at least"
        )
        text += f" It gives an average {_escape(score.split)} example {of} {number(score.value, score.standard_error)} nats."
    return text


def duration(seconds: float) -> str:
    """`1 min 13 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _tiles(summary: RunSummary) -> list[str]:
    """The four figures that a person looks for first."""
    tiles: list[str] = []
    preferred = ("unit_scale_elbo_nats", "bits_per_dim")
    names = ["elbo_nats", "log_evidence_nats", *[name for name in preferred if summary.score(name)][:1], "kl_nats"]
    for score in filter(None, map(summary.score, names)):
        error = error_text(score)
        value = number(score.value, score.standard_error) + (f" <small>{error}</small>" if error else "")
        samples = f", {score.num_samples:,} samples" if score.name == "log_evidence_nats" else ""
        tiles.append(_tile(title_of(score), value, f"{score.unit}, {score.split}{samples}"))
    if (found := summary.reconstruction) is not None:
        where = f"{found.split}, {found.num_examples:,} examples"
        tiles.append(_tile("Reconstruction error", number(found.root_mean_square), f"root mean square of an element, {where}"))
        tiles.append(_tile("Explained variance", f"{found.explained:.1%}", where))
    active = int(summary.latent_is_active.sum())
    tiles.append(_tile("Active latents", f"{active} <small>of {summary.latent_dim}</small>", "variance of the mean above 0.01"))
    return tiles


def _tile(name: str, value: str, unit: str) -> str:
    return (
        f'<div class="card tile"><div class="name">{_escape(name)}</div><div class="value">{value}</div>'
        f'<div class="unit">{_escape(unit)}</div></div>'
    )


def _worries(summary: RunSummary, diagnosis: Diagnosis) -> str:
    items = [
        f'<li class="worry {finding.severity}"><p class="tag">{_TAGS[finding.severity]}</p>'
        f'<p class="what">{_escape(finding.sentence)}</p>'
        f'<p class="figure">{_escape(finding.figure[0].upper() + finding.figure[1:])}.</p>'
        f'<p class="advice">{_with_code(finding.advice)}</p>'
        + (f"<pre>{_escape(finding.command)}</pre>" if finding.command else "")
        + "</li>"
        for _, finding in diagnosis.findings
    ]
    if diagnosis.most_serious is None:
        items.insert(
            0,
            '<li class="worry good"><p class="tag">All clear</p><p class="what">Nothing to worry about.</p>'
            f'<p class="figure">{len(diagnosis.done)} things were checked.</p></li>',
        )
    text = f"Checked: {'; '.join(check.title for check in diagnosis.done)}."
    if diagnosis.impossible:
        text += f" Could not be checked {diagnosis.lacking}."
    if summary.examination is not None:
        text = f"{_examined(summary)} {text}"
    # Where all is clear the list itself says so.
    verdict = f'<p class="verdict">{_escape(diagnosis.verdict)}</p>' if diagnosis.most_serious is not None else ""
    return f'{verdict}<ul class="worries">{"".join(items)}</ul><p class="small">{_escape(text)}</p>'


def _examined(summary: RunSummary) -> str:
    """What the checks looked at, and how to make them again."""
    examined = summary.examination
    assert examined is not None
    return (
        f"Codes and samples were examined on {examined.num_examples:,} examples of the {examined.split} split, the likelihood on "
        f"{examined.predictive.num_examples:,} training examples. On the command line: lowerbound doctor "
        f"{shlex.quote(summary.folder or summary.name)}."
    )


_CODE = re.compile(
    r"--set [\w.]+=[\w.-]*\w"
    r"|lowerbound train --resume (?:&#x27;.+?&#x27;|\S+?)(?: --epochs \d+)?(?=\.(?:\s|$))"
    r"|\b(?:training|objective|likelihood|model)\.\w+(?:=[\w.-]*\w)?"
)


def _with_code(text: str) -> str:
    """Options, commands and configuration keys in a fixed width."""
    return _CODE.sub(lambda match: f"<code>{match[0]}</code>", _escape(text))


def _scores(summary: RunSummary) -> str:
    tiles = f'<div class="tiles">{"".join(_tiles(summary))}</div>'
    if summary.reconstruction is not None:
        return f'{tiles}<p class="intro">{_escape(NO_BOUND)}</p>'
    if not summary.scores:
        return f'{tiles}<p class="intro">This run was not evaluated: <code>lowerbound evaluate</code> does it at any time.</p>'
    names = [score.name for score in summary.scores]
    firsts = [name not in names[:index] for index, name in enumerate(names)]
    rows = "".join(_score_row(score, summary, is_first) for score, is_first in zip(summary.scores, firsts, strict=True))
    head = heads("Score") + heads("Value", values=True) + heads("Unit", "Measure", "Split")
    return (
        f'{tiles}<p class="intro">{_escape(measure_note(summary))}</p>'
        f"{table(head, rows, 'scores')}"
        '<p class="small">± is one standard error over the examples of the split. One nat is log<sub>2</sub> e = 1.443 bits.</p>'
    )


def _score_row(score: Score, summary: RunSummary, is_first: bool) -> str:
    """A row of the table; what a score is, is said once."""
    explained = f'<div class="explained">{_escape(explanation(score, summary))}</div>' if is_first else ""
    samples = f", {score.num_samples:,} samples an example" if "evidence" in score.name or score.name == "bits_per_dim" else ""
    return (
        f'<tr><th scope="row">{_escape(title_of(score))}{explained}</th>'
        f'<td class="value">{number(score.value, score.standard_error)} <span class="error">{error_text(score)}</span></td>'
        f"<td>{_escape(score.unit)}</td><td>{measure_text(score)}</td><td>{_escape(score.split)}{samples}</td></tr>"
    )


def _training(summary: RunSummary) -> str:
    speeds = summary.finite("examples_per_second")[1]
    facts = [
        f"{summary.num_train:,} training, {summary.num_validation:,} validation and {summary.num_test:,} test examples",
        summary.how_it_ended,
        duration(summary.seconds),
    ]
    if len(speeds):
        facts.append(f"{np.median(speeds):,.0f} examples a second")
    facts += monitor_texts(summary)
    text = f"{'; '.join(facts)}."
    if summary.has_late_noise:
        text += " These bounds are without what a pixel tells of the next, which was fitted at the end; the scores are with it."
    return f'<p class="intro">{_escape(text)}</p>{_two(charts(summary))}'


def _two(pieces: Sequence[str]) -> str:
    """Two cards beside each other."""
    cards = "".join(f'<div class="card">{piece}</div>' for piece in pieces)
    return f'<div class="two">{cards}</div>'


def _samples(summary: RunSummary) -> str:
    if not summary.spec.is_image:
        key = (
            '<p class="key small"><i style="background:var(--blue);opacity:.45;margin-left:0"></i>data'
            '<i style="background:var(--orange)"></i>samples</p>'
        )
        return (
            '<p class="intro">Each column in the data and in the model\'s samples. Where the two part, the model has not learnt '
            f'the column.</p>{key}<div class="columns">{column_charts(summary, "samples")}</div>'
        )
    pictures = [
        ("Real", f"{len(summary.real[:100])} examples of the data", summary.real),
        ("Samples", "z ~ p(z), then x ~ p(x|z): noise included", summary.samples),
    ]
    if summary.sample_means is not None:
        pictures.append(("Their means", "E[x|z] for the same z: noise left out", summary.sample_means))
    cards = "".join(
        f'<figure class="card"><figcaption><b>{title}</b><span>{_escape(caption)}</span></figcaption>'
        f"{grid(images, summary.spec, f'{title}: {caption}')}</figure>"
        for title, caption, images in pictures
    )
    return f'<p class="intro">New examples beside real ones. None was picked by hand.</p><div class="three">{cards}</div>'


def _reconstructions(summary: RunSummary) -> str:
    split = _escape(summary.split_shown)
    if not summary.spec.is_image:
        return (
            f'<p class="intro">Each column of the {split} examples (across) and what the decoder makes of their codes (up). '
            f'On the dashed line the two are equal.</p><div class="columns">{column_charts(summary, "reconstructions")}</div>'
        )
    return (
        f'<p class="intro">Examples of the {split} split, each above what the decoder makes of its code: '
        "E[x|z] at z = E[z|x].</p>"
        f'<figure class="card">{reconstruction_grid(summary)}</figure>'
    )


def _latent_space(summary: RunSummary) -> str:
    prior = (
        "The circles are one, two and three standard deviations of the prior: where the dots fill them, samples from the prior "
        "look like data."
        if all(block.has_normal_prior for block in summary.latent_blocks)
        else "The prior is no standard normal law, so no circles of it are drawn."
    )
    return (
        f'<p class="intro">Each dot is the code of one example of the {_escape(summary.split_shown)} split. {prior}</p>'
        f"{_two(latent_charts(summary))}"
    )


def _configuration(summary: RunSummary) -> str:
    blocks = "".join(
        f"<div><h3>[{_escape(section)}]</h3><dl>"
        + "".join(f"<dt>{_escape(key)}</dt><dd>{_escape(_value(value))}</dd>" for key, value in keys.items())
        + "</dl></div>"
        for section, keys in summary.config.to_dict().items()
    )
    return (
        f'{_choices(summary)}<p class="intro">As resolved: what was chosen by hand, by the recipe, and from the data.</p>'
        f'<div class="card"><div class="sections">{blocks}</div></div>'
    )


def _choices(summary: RunSummary) -> str:
    """What the data chose, key by key; the reason stands once for the keys that it explains together."""
    if not summary.choices:
        return ""
    rows = ""
    for choice in summary.choices:
        reason = f'<td rowspan="{len(choice.values)}">{_escape(choice.reason)}</td>'
        for key, value in choice.values.items():
            name = f'<th scope="row"><code>{_escape(f"{choice.section}.{key}")}</code></th>'
            rows += f"<tr>{name}<td>{_escape(_value(value))}</td>{reason}</tr>"
            reason = ""
    return (
        "<h3>What was chosen for these data, and why</h3>"
        '<p class="intro">Each key can be set by hand: <code>--set section.key=value</code>.</p>'
        f"{table(heads('Key', 'Value', 'Because'), rows, 'choices')}<h3>All keys</h3>"
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if value != "" else "\N{EN DASH}"


def _reproduce(summary: RunSummary) -> str:
    facts = {"recipe": summary.recipe, **summary.versions, **summary.machine}
    if summary.started:
        facts["started"] = summary.started
    made_with = "".join(f"<dt>{_escape(name)}</dt><dd>{_escape(str(value))}</dd>" for name, value in facts.items())
    files = "".join(f"<dt>{_file_link(name)}</dt><dd>{_escape(what)}</dd>" for name, what in summary.files.items())
    lead = "With the same versions and kind of machine, the same numbers come again from"
    command = f"<p>{lead}</p><pre>{_escape(summary.command)}</pre>" if summary.command else ""
    listed = [f"<h3>Files beside this page</h3><dl>{files}</dl>"] if files else []
    return command + _two([f"<h3>Made with</h3><dl>{made_with}</dl>", *listed])


def _file_link(name: str) -> str:
    # A pattern or a folder is no file that a browser can show.
    if name.endswith("/") or "*" in name:
        return f"<code>{_escape(name)}</code>"
    return f'<a href="{urllib.parse.quote(name)}">{_escape(name)}</a>'
