"""The report page: what is on it, that it is safe, and that it needs nothing from outside."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from support_report import CONFIG, healthy_faces, history, settled_bound, table

from lowerbound.assembly.automatic import Choice
from lowerbound.report.page import duration, render_report
from lowerbound.report.score_text import error_text, explanation, measure_note, number
from lowerbound.summaries import RunSummary, Score, scores_of
from lowerbound.summaries.summary import BITS, NATS

VOID = {"meta", "link", "img", "br", "hr", "input"}
SECTIONS = ["samples", "worries", "scores", "training", "reconstructions", "latent-space", "configuration", "reproduce"]


class Outline(html.parser.HTMLParser):
    """Tags, attributes and text of a page; complains of tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(healthy_faces(sample_means=healthy_faces().samples))


@pytest.fixture(scope="module")
def table_page() -> str:
    return render_report(table())


def external(page: str) -> list[str]:
    """Whatever in the page a browser would fetch, or go to, outside the run's own folder."""
    outline = Outline(page)
    targets = [
        value
        for _, attributes in outline.found
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data") and value
    ]
    styles = re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", page)
    targets += [target.strip("'\"") for pair in styles for target in pair if target]
    return [target for target in targets if not re.fullmatch(r"#[\w-]+|data:.*|[\w.-]+", target, re.DOTALL)]


@pytest.mark.parametrize("which", ["page", "table_page"])
def test_every_section_is_there_and_linked(which: str, request: pytest.FixtureRequest) -> None:
    outline = Outline(request.getfixturevalue(which))
    assert [attributes["id"] for attributes in outline.all("section")] == SECTIONS
    assert [attributes["href"] for attributes in outline.all("a")][: len(SECTIONS)] == [f"#{name}" for name in SECTIONS]


@pytest.mark.parametrize("which", ["page", "table_page"])
def test_nothing_is_fetched_and_nothing_runs(which: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which)
    assert external(text) == []
    assert "http" not in text
    outline = Outline(text)
    assert outline.all("script") == []
    assert outline.all("iframe") == []
    assert not [name for _, attributes in outline.found for name in attributes if name.startswith("on")]


def test_what_would_be_fetched_is_seen() -> None:
    """The negative control of `external`."""
    assert external('<img src="https://example.org/a.png">') == ["https://example.org/a.png"]
    assert external('<a href="//example.org">x</a>') == ["//example.org"]
    assert external("<style>a { background: url('/b.png') }</style>") == ["/b.png"]


@pytest.mark.parametrize("which", ["page", "table_page"])
def test_pictures_say_what_they_show_and_ids_are_unique(which: str, request: pytest.FixtureRequest) -> None:
    outline = Outline(request.getfixturevalue(which))
    charts = [attributes for attributes in outline.all("svg") if attributes.get("class") == "chart"]
    assert len(charts) >= 4
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert all(attributes["alt"] for attributes in outline.all("img") if attributes.get("class") == "picture")
    ids = [attributes["id"] for _, attributes in outline.found if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_references_inside_the_charts_lead_somewhere(page: str) -> None:
    outline = Outline(page)
    ids = {attributes["id"] for _, attributes in outline.found if attributes.get("id")}
    used = [attributes["href"] for attributes in outline.all("use")] + re.findall(r"url\((#[^)]*)\)", page)
    assert used
    assert {str(target).removeprefix("#") for target in used} <= ids


def test_samples_in_the_page_are_the_samples() -> None:
    summary = healthy_faces(samples=np.full((4, 28, 20), 255.0, np.float32))
    pictures = [value["src"] or "" for value in Outline(render_report(summary)).all("img") if value.get("class") == "picture"]
    real, made, _ = (Image.open(io.BytesIO(base64.b64decode(src.split(",")[1]))) for src in pictures)
    inside = np.asarray(made)[np.asarray(made)[..., 3] > 0][:, :3]
    assert (inside == 255).all()
    assert len(inside) > 1000
    assert np.asarray(real)[..., :3].std() > 10


def test_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>&\"'"
    summary = healthy_faces(
        name=evil, data_name=evil, recipe=evil, command=evil, versions={evil: evil}, machine={evil: evil}, files={evil: evil}
    )
    outline = Outline(
        render_report(dataclasses.replace(summary, config=CONFIG.updated({"data": {"name": evil}}), stop_reason=evil))
    )
    assert outline.all("script") == []
    assert outline.words.count("alert(1)") >= 10
    assert outline.all("h1") != []


def test_column_names_are_escaped_and_any_script_is_drawn(table_page: str) -> None:
    outline = Outline(table_page)
    assert outline.all("count") == []
    assert "<count>" in outline.words
    assert "price $x$" in outline.words, "a dollar is a dollar, not mathematics"
    assert "largo ñ 列" in outline.words


def test_the_lead_says_what_was_trained_on_what(page: str) -> None:
    assert (
        "A variational autoencoder with 4 latent variables and the likelihood gaussian, trained on 60 examples of faces (grey "
        "images of 28 × 20 pixels, whole numbers from 0 to 255): all 100 epochs, 1 min 13 s. It gives an average test example a "
        "log-density of at least −1,802.2 nats."
    ) in Outline(page).words


def test_scores_carry_unit_measure_and_error(page: str) -> None:
    words = Outline(page).words
    row = words[words.index("ScoreValueUnit") :]
    assert "Evidence lower bound (ELBO)A lower bound" in row
    assert "−1,790.5 ± 9.0nats per exampledensitytest, 1,000 samples an example" in row
    assert "logarithms of densities, not of probabilities" in words
    assert "560 × log 10 = 1,289 nats" in words


def test_a_healthy_run_is_told_so_with_what_was_checked(page: str) -> None:
    words = Outline(page).words
    assert "Nothing to worry about." in words
    assert "Checked: divergence of the training; posterior collapse; samples as varied as the data;" in words


def test_a_collapsed_run_is_told_so_first() -> None:
    page = render_report(healthy_faces(latent_is_active=np.zeros(4, bool), stop_reason="stopped by SIGINT"))
    words = Outline(page).words
    assert "Nothing to worry about" not in words
    assert words.index("Posterior collapse:") < words.index("Training was stopped before its end")
    assert "<pre>lowerbound train --recipe healthy/config.toml --set objective.warmup_epochs=50</pre>" in page
    assert "<pre>lowerbound train --resume healthy</pre>" in page


def test_configuration_command_and_files(page: str) -> None:
    words = Outline(page).words
    assert "[network]namemlphidden_widths[200, 200]" in words
    assert "lowerbound train faces --seed 0" in words
    assert '<a href="metrics.csv">metrics.csv</a>' in page
    assert "<code>model/</code>" in page


def test_what_the_data_chose_stands_with_its_reasons(page: str) -> None:
    assert "What was chosen for these data" not in page, "where a recipe said all"
    choices = (
        Choice("network", {"name": "mlp", "hidden_widths": [400, 400]}, "full layers learn more of <small> pictures"),
        Choice("training", {"skip_spikes": True}, "one step would undo many"),
    )
    outline = Outline(render_report(healthy_faces(choices=choices)))
    assert (
        "network.namemlpfull layers learn more of <small> pictures"
        "network.hidden_widths[400, 400]"
        "training.skip_spikestrueone step would undo many"
    ) in outline.words
    assert [cell["rowspan"] for cell in outline.all("td") if "rowspan" in cell] == ["2", "1"]


def test_light_and_dark_and_narrow(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    used = set(re.findall(r"var\((--\w+)\)", page))
    light, dark = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    for block in (light, dark):
        defined = set(re.findall(r"(--[\w-]+):", block))
        assert used - {"--tone", "--tint"} <= defined


@pytest.mark.parametrize(
    "change",
    [
        {"scores": ()},
        {"history": history(settled_bound(0))},
        {"kl_by_latent_nats": None},
        {"factors": None, "labels": np.arange(120) % 3},
        {"factors": None, "labels": np.arange(120)},
    ],
    ids=["no scores", "no history", "no closed-form KL", "few labels", "many labels"],
)
def test_a_run_that_lacks_something_has_its_page(change: dict) -> None:
    outline = Outline(render_report(healthy_faces(**change)))
    assert len(outline.all("section")) == len(SECTIONS)


def test_the_same_run_gives_the_same_page() -> None:
    assert render_report(healthy_faces()) == render_report(healthy_faces())


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (-1769.338, 11.2, "−1,769"),
        (-1769.338, 4.2, "−1,769.3"),
        (-94.13, 0.31, "−94.13"),
        (0.1732, math.nan, "0.1732"),
        (31.2049, math.nan, "31.2"),
        (0.0, math.nan, "0.0"),
        (math.nan, math.nan, "not finite"),
        (-math.inf, 1.0, "not finite"),
    ],
)
def test_numbers_have_the_decimals_that_mean_something(value: float, error: float, expected: str) -> None:
    assert number(value, error) == expected


def test_errors_durations_and_data_in_words() -> None:
    assert error_text(Score("elbo_nats", -1.0, NATS, "counting", "test", standard_error=0.3)) == "± 0.30"
    assert error_text(Score("elbo_nats", -1.0, NATS, "counting", "test")) == ""
    assert [duration(seconds) for seconds in (3.25, 59.4, 73.2, 3700.0)] == ["3.2 s", "59 s", "1 min 13 s", "1 h 1 min"]
    assert table().spec.words == f"rows of 5 columns, real values from {table().spec.low:.4g} to {table().spec.high:.4g}"


def test_a_probability_is_not_called_a_density() -> None:
    summary = healthy_faces(measure="counting")
    assert "never above zero" in measure_note(summary)
    bits = Score("bits_per_dim", 4.4, BITS, "counting", "test", num_samples=1000)
    assert "divided by 560 elements and log 2" in explanation(bits, summary)
    assert "Lower is better" in explanation(bits, summary)


@pytest.mark.parametrize(
    ("name", "words"), [("elbo_nats", "a lower bound on log p(X) / N"), ("log_evidence_nats", "The log predictive density")]
)
def test_scores_of_random_weights_are_no_log_p_of_x(name: str, words: str) -> None:
    text = explanation(Score(name, -1.0, NATS, "counting", "test", weights_kl_nats=0.5), healthy_faces(measure="counting"))
    assert words in text
    assert "log p(x)" not in text


def test_scores_are_read_from_an_evaluation() -> None:
    evaluation = {
        "split": "test",
        "measure": "counting",
        "num_samples": 50,
        "elbo_nats": -99.0,
        "elbo_standard_error": 0.4,
        "log_evidence_nats": -95.0,
        "standard_error": None,
        "unit_scale_elbo_nats": None,
        "unit_scale_log_evidence_nats": None,
        "bits_per_dim": 0.17,
        "kl_nats": 25.0,
        "weights_kl_nats": None,
    }
    scores = scores_of(evaluation)
    assert [(score.name, score.value, score.unit) for score in scores] == [
        ("elbo_nats", -99.0, NATS),
        ("log_evidence_nats", -95.0, NATS),
        ("bits_per_dim", 0.17, BITS),
        ("kl_nats", 25.0, NATS),
    ]
    assert scores[0].standard_error == 0.4
    assert math.isnan(scores[1].standard_error)
    assert isinstance(healthy_faces(scores=scores), RunSummary)
