"""The pictures of a run's folder, looked at through their pixels."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from support_report import healthy_faces, history, settled_bound, table

from lowerbound.data.columns import Column
from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, SavingError
from lowerbound.evaluation.walks import Traversal
from lowerbound.report import labelled_grid, style, walk_figures
from lowerbound.report.charts import draw_bound, draw_kl, draw_latent_means, draw_marginal, robust_limits, tick_text
from lowerbound.report.figures import (
    WIDTH,
    pair_picture,
    sample_picture,
    save_all,
    save_latent_space,
    save_learning_curve,
    save_samples,
)
from lowerbound.report.images import choose_columns, enlarge, image_grid, shrink
from lowerbound.report.latent_view import choose_view
from lowerbound.report.style import BLUE, ORANGE, sheet
from lowerbound.report.table_charts import column_drawing
from lowerbound.summaries import RunSummary

FILES = ("samples.png", "reconstructions.png", "learning_curve.png", "latent_space.png")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def is_blank(picture: np.ndarray) -> bool:
    """A picture of one colour, or with next to nothing drawn on it."""
    background = picture[0, 0]
    return bool((picture != background).any(axis=2).mean() < 0.005)


def share_of(picture: np.ndarray, colour: str) -> float:
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return float((np.abs(picture.astype(int) - wanted).max(axis=2) < 12).mean())


class TestImageGrid:
    def test_places_every_image(self) -> None:
        images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 2), np.uint8) * 50
        grid = image_grid(images, columns=3, padding=1)
        assert grid.shape == (2 * 4 + 1, 3 * 3 + 1, 3)
        for index in range(5):
            top, left = 1 + index // 3 * 4, 1 + index % 3 * 3
            assert (grid[top : top + 3, left : left + 2] == 50 * index).all()
        assert (grid[5:8, 7:9] == 255).all(), "the place of a sixth image is background"
        assert (grid[0] == 255).all()
        assert (grid[:, 0] == 255).all()

    def test_clips_to_the_limits(self) -> None:
        images = np.array([-7.0, 0.0, 0.5, 1.0, 9.0, np.nan], np.float32).reshape(6, 1, 1)
        shown = image_grid(images, columns=6, padding=0, limits=(0.0, 1.0))[0, :, 0]
        assert shown.tolist() == [0, 0, 128, 255, 255, 0]

    def test_keeps_colour_and_lays_opacity_over_white(self) -> None:
        red = np.array([255, 0, 0], np.uint8).reshape(1, 1, 1, 3)
        assert image_grid(red, 1, 0)[0, 0].tolist() == [255, 0, 0]
        half = np.array([255, 0, 0, 51], np.uint8).reshape(1, 1, 1, 4)
        assert image_grid(half, 1, 0)[0, 0].tolist() == [255, 204, 204]

    @pytest.mark.parametrize("shape", [(0, 4, 4), (3, 4), (2, 4, 4, 2)])
    def test_refuses_other_shapes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(DataError, match=r"images has shape .* expected at least one image as \(n, H, W\)"):
            image_grid(np.zeros(shape), 2)

    @pytest.mark.parametrize(("number", "height", "width"), [(100, 28, 20), (100, 28, 28), (7, 64, 16), (1, 5, 50), (60, 8, 8)])
    def test_columns_leave_no_ragged_row_where_there_is_a_choice(self, number: int, height: int, width: int) -> None:
        columns = choose_columns(number, height, width)
        rows = -(-number // columns)
        assert 1 <= columns <= number
        assert 0.4 < columns * width / (rows * height) < 2.5 or number < 8
        assert number % columns == 0 or number < 8

    def test_large_images_are_averaged_not_thinned(self) -> None:
        checkered = np.indices((64, 48)).sum(axis=0)[None] % 2 * 200.0
        small = shrink(checkered, 32)
        assert small.shape == (1, 32, 24)
        np.testing.assert_allclose(small, 100.0)

    def test_enlarging_repeats_whole_pixels(self) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
        large = enlarge(picture, 20)
        assert large.shape == (12, 18, 3)
        assert (large[::3, ::3] == picture).all()


def spec_of(shape: tuple[int, ...]) -> DataSpec:
    size = int(np.prod(shape))
    return DataSpec(shape, "integer", 0.0, 255.0, (1.0,), (100.0,) * size, (50.0,) * size)


@pytest.mark.parametrize("shape", [(28, 20), (9, 31), (16, 12, 3), (300, 400, 3), (10, 10, 1), (6, 6, 4)])
def test_any_shape_of_image_is_drawn(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (13, *shape), dtype=np.uint8)
    grid = sample_picture(images, spec_of(shape))
    both = pair_picture(images, images.astype(np.float32), spec_of(shape))
    for picture in (grid, both):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert not is_blank(picture)


def test_a_pair_holds_the_original_above_its_reconstruction() -> None:
    dark, light = np.full((1, 8, 6), 10, np.uint8), np.full((1, 8, 6), 200.0, np.float32)
    picture = pair_picture(dark, light, spec_of((8, 6)))
    gap, between = 2, 1
    assert (picture[gap : gap + 8, gap : gap + 6] == 10).all()
    assert (picture[gap + 8 + between : gap + 16 + between, gap : gap + 6] == 200).all()
    assert (picture[gap + 8] == 255).all()


@pytest.mark.parametrize("make", [healthy_faces, table])
def test_all_four_are_written_at_their_size(tmp_path: Path, make) -> None:
    assert save_all(make(), tmp_path) == [tmp_path / name for name in FILES]
    for name in FILES:
        picture = pixels(tmp_path / name)
        assert picture.shape[1] == 2 * WIDTH
        assert 400 < picture.shape[0] < 3000
        assert not is_blank(picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES), "nothing temporary is left"


def test_blank_pictures_are_told_from_drawn_ones() -> None:
    """The negative control of `is_blank`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with sheet(200, 100) as figure:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        assert is_blank(np.asarray(canvas.buffer_rgba())[..., :3])
        figure.add_subplot().plot([0, 1], [0, 1])
        canvas.draw()
        assert not is_blank(np.asarray(canvas.buffer_rgba())[..., :3])


def test_sample_file_holds_the_samples_pixels(tmp_path: Path) -> None:
    """One sample is black, the others are white: the file holds just one black block of the right size."""
    samples = np.full((16, 28, 20), 255.0, np.float32)
    samples[5] = 0
    save_samples(healthy_faces(samples=samples), tmp_path / "samples.png")
    picture = pixels(tmp_path / "samples.png")[100:]
    black = (picture == 0).all(axis=2)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    times = len(columns) / 20
    assert times >= 5
    assert times == round(times), "a pixel is enlarged a whole number of times"
    assert len(rows) == 28 * times
    assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_learning_curve_draws_both_splits_and_only_what_there_is(tmp_path: Path) -> None:
    save_learning_curve(healthy_faces(), tmp_path / "both.png")
    both = pixels(tmp_path / "both.png")
    assert share_of(both, BLUE) > 0.001
    assert share_of(both, ORANGE) > 0.001
    nothing = np.full(100, np.nan)
    only_train = history(settled_bound(), validation_elbo_nats=nothing, validation_kl_nats=nothing)
    save_learning_curve(healthy_faces(history=only_train), tmp_path / "train.png")
    train = pixels(tmp_path / "train.png")
    assert share_of(train, BLUE) > 0.001
    assert share_of(train, ORANGE) < 1e-5


@pytest.mark.parametrize("number", [0, 1, 2, 10_000])
def test_learning_curve_of_any_length(tmp_path: Path, number: int) -> None:
    save_learning_curve(healthy_faces(history=history(settled_bound(number))), tmp_path / "curve.png")
    picture = pixels(tmp_path / "curve.png")
    assert not is_blank(picture)
    if number == 10_000:
        assert share_of(picture, BLUE) > 0.001


def test_first_epochs_do_not_squash_the_curve() -> None:
    bound = settled_bound(200, end=-1800, start=-1e6)
    low, high = robust_limits([bound, bound - 20])
    assert low > -2000
    assert low < (bound - 20)[100:].min()
    assert high > bound.max()
    # A fall at the end is no first epoch: it must be seen.
    fallen = np.concatenate([bound, np.linspace(-1800, -3000, 60)])
    assert robust_limits([fallen])[0] < -2900
    # One look at each of two curves shows both.
    low, high = robust_limits([np.array([-5.52]), np.array([-6.5])])
    assert low < -6.5 < -5.52 < high


def test_a_spike_does_not_squash_the_curve_and_is_marked() -> None:
    bound = settled_bound(60)
    bound[40], bound[41] = -1.7e8, -3e5
    axes = axes_of(draw_bound, healthy_faces(history=history(bound)))
    low, high = axes.get_ylim()
    assert low < np.sort(bound[30:])[2] - 2 < bound.max() < high
    assert high - low < 40
    assert [note.get_text() for note in axes.texts] == ["down to \N{MINUS SIGN}170,000,000 at epoch 41"]
    arrows = [line.get_xdata() for line in axes.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(arrows, [[41, 42], [41, 42]])
    # Where nothing leaves the axis, nothing is said.
    assert not axes_of(draw_bound, healthy_faces()).texts


def test_the_layout_leaves_the_curve_its_height() -> None:
    """Whether or not something lies below the axis: nothing that is drawn reaches out of it to the figure's corner."""
    spiked = settled_bound(60)
    spiked[40] = -1.7e8
    for bound in (settled_bound(60), spiked):
        with sheet(800, 540) as figure:
            upper, _ = figure.subplots(2, 1)
            draw_bound(upper, healthy_faces(history=history(bound)))
            FigureCanvasAgg(figure).draw()
            assert upper.get_position().height > 0.3


def test_a_tick_stands_where_its_label_says() -> None:
    places = [-1769.5, 1330.0, 0.25, -123456.125, 1e7, 0.0]
    texts = [tick_text(place) for place in places]
    assert texts[:2] == ["\N{MINUS SIGN}1,769.5", "1,330"]
    assert [float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")) for text in texts] == places


def axes_of(draw: Callable[[Axes, RunSummary], None], summary: RunSummary) -> Axes:
    with sheet(400, 300) as figure:
        axes = figure.add_subplot()
        draw(axes, summary)
    return axes


def test_axes_have_titles_units_and_say_what_they_hide() -> None:
    axes = axes_of(draw_bound, healthy_faces(history=history(settled_bound(200, start=-1e6))))
    assert axes.get_title(loc="left") == "Evidence lower bound (higher is better)"
    assert axes.get_ylabel() == "ELBO [nats per example]"
    hidden = re.fullmatch(r"epoch \(those before (\d+) lie below the axis\)", axes.get_xlabel())
    assert hidden is not None
    first = int(hidden[1])
    low = axes.get_ylim()[0]
    validation = settled_bound(200, start=-1e6) - 2
    assert validation[first - 1] >= low > validation[first - 2]
    assert axes_of(draw_bound, healthy_faces(history=history(np.linspace(0, 1, 50)))).get_xlabel() == "epoch"


def test_best_epoch_is_marked_where_validation_was_best() -> None:
    bound = settled_bound(200)
    fallen = bound - 0.5 * np.maximum(np.arange(200) - 120, 0)
    axes = axes_of(draw_bound, healthy_faces(history=history(bound, validation_elbo_nats=fallen)))
    legend = axes.get_legend()
    assert legend is not None
    best = int(np.argmax(fallen))
    assert f"epoch {best + 1}" in [text.get_text() for text in legend.get_texts()][-1]
    marks = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [(line.get_xdata(), line.get_ydata()) for line in marks] == [([best + 1], [fallen[best]])]


def test_a_peak_of_the_first_kl_does_not_squash_the_rest() -> None:
    kl = np.full(100, 12.0)
    kl[:5] = 5000
    axes = axes_of(draw_kl, healthy_faces(history=history(settled_bound(), train_kl_nats=kl)))
    assert 12 < axes.get_ylim()[1] < 20
    assert axes.get_ylim()[0] == 0
    assert "[nats]" in axes.get_ylabel()


def test_bins_of_whole_numbers_are_the_numbers() -> None:
    with sheet(200, 200) as figure:
        axes = figure.add_subplot()
        draw_marginal(axes, np.array([0.0, 1, 1, 2]), np.array([1.0, 1, 2, 2]), "count")
    bars = [(patch.get_x(), patch.get_width(), patch.get_height()) for patch in axes.patches if isinstance(patch, Rectangle)]
    assert bars == [(-0.5, 1.0, 0.25), (0.5, 1.0, 0.5), (1.5, 1.0, 0.25)]


@pytest.mark.parametrize("dim", [1, 2, 3, 40])
def test_latent_space_of_any_dimension(tmp_path: Path, dim: int) -> None:
    means = np.random.default_rng(0).standard_normal((50, dim))
    active = np.arange(dim) % 2 == 0
    summary = healthy_faces(
        latent_means=means, latent_is_active=active, kl_by_latent_nats=np.linspace(2, 0.1, dim), factors=None, factor_names=()
    )
    save_latent_space(summary, tmp_path / "latent.png")
    picture = pixels(tmp_path / "latent.png")
    assert share_of(picture, BLUE) > 0.001
    assert (share_of(picture, ORANGE) > 1e-4) == (not active.all()), "unused latents, and only they, are orange"


def test_two_latents_are_shown_as_they_are_most_informative_first() -> None:
    means = np.random.default_rng(0).standard_normal((50, 2))
    summary = healthy_faces(
        latent_means=means, latent_is_active=np.ones(2, bool), kl_by_latent_nats=np.array([1.0, 3.0]), factors=None
    )
    view = choose_view(summary)
    np.testing.assert_array_equal(view.points, means[:, ::-1])
    assert view.x_label == "latent 1, E[z|x]"
    assert view.colour is None, "the number of a row says nothing of it"
    assert view.described.endswith("latent 1, E[z|x] and latent 0, E[z|x].")


def test_principal_axes_keep_the_priors_circles() -> None:
    """The plane must be an orthonormal projection about the origin, or the prior's circles would be wrong."""
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    inside = rng.standard_normal((400, 2)) * [3, 2] + [1, -1]
    summary = healthy_faces(
        latent_means=inside @ plane.T, latent_is_active=np.ones(6, bool), kl_by_latent_nats=np.ones(6), factors=None
    )
    view = choose_view(summary)
    np.testing.assert_allclose(np.linalg.norm(view.points, axis=1), np.linalg.norm(inside, axis=1), rtol=1e-9)
    assert view.x_label.startswith("principal axis 1 of 6")


def test_colour_is_the_factor_that_the_picture_shows_best() -> None:
    summary = healthy_faces()
    assert summary.factors is not None
    means = np.random.default_rng(0).standard_normal((120, 4)) * 0.05
    means[:, 2] += summary.factors[:, 3]
    view = choose_view(dataclasses.replace(summary, latent_means=means))
    assert view.colour_label == "smile"
    labels = np.arange(120) % 3 + 7
    view = choose_view(dataclasses.replace(summary, labels=labels))
    assert (view.colour_label, view.categories) == ("label", ("7", "8", "9"))


def test_a_full_or_forbidden_disk_raises_and_keeps_the_old_picture(tmp_path: Path) -> None:
    (tmp_path / "samples.png").mkdir()
    with pytest.raises(SavingError, match=r"could not save .*samples\.png"):
        save_samples(healthy_faces(), tmp_path / "samples.png")
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


def test_a_persons_matplotlib_settings_stay_theirs(tmp_path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 33.0}):
        save_learning_curve(healthy_faces(), tmp_path / "theirs.png")
        assert matplotlib.rcParams["font.size"] == 33.0
    save_learning_curve(healthy_faces(), tmp_path / "ours.png")
    assert (tmp_path / "theirs.png").read_bytes() == (tmp_path / "ours.png").read_bytes()


def test_matplotlib_is_not_imported_before_a_picture_is_drawn() -> None:
    code = "import sys, lowerbound.report.figures, lowerbound.summaries; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_walk_through_a_table_names_its_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = describe(np.random.default_rng(0).normal(size=(50, 2)), ("height", "weight"))
    steps, zero = np.linspace(0.1, 0.9, 3), np.zeros(1, int)
    found = Traversal(zero, np.ones(1), "nats", steps, np.zeros((1, 3)), np.zeros((1, 3, 2)), of_prior=True)
    names: list[str] = []
    monkeypatch.setattr(
        walk_figures, "save_png", lambda figure, path: names.extend(text.get_text() for text in figure.legends[0].get_texts())
    )
    walk_figures.save_traversal(found, spec, tmp_path / "walk.png", "run", "the mean")
    assert names == ["height", "weight"]


@pytest.mark.parametrize("name", ["run", "the_" * 30 + "run", "one two " * 15])
def test_titles_begin_with_the_run_s_name_and_stay_inside(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def look(figure: Figure, path: object, sharpness: float = 2.0) -> None:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = figure.canvas.get_width_height()
        # Matplotlib gives a title's text and not its place.
        text: Any = vars(figure)["_suptitle"] or (figure.texts[0] if figure.texts else vars(figure.axes[0])["_left_title"])
        box = text.get_window_extent(canvas.get_renderer())
        assert 0 <= box.x0 < box.x1 <= width, text.get_text()
        assert 0 <= box.y0 < box.y1 <= height, text.get_text()
        texts.append(text.get_text())

    monkeypatch.setattr(style, "save_png", look)
    for module in (walk_figures, labelled_grid):
        monkeypatch.setattr(module, "save_png", look)
    for summary in (healthy_faces(name=name), table(name=name)):
        save_all(summary, tmp_path)
    spec = describe(np.zeros((9, 4, 4)) + np.arange(9)[:, None, None])
    labelled_grid.save_by_condition(np.zeros((5, 4, 4)), ["a", "b"], spec, tmp_path / "x.png", f"{name}: 5 draws")
    assert len(texts) == 9
    unbroken = [re.sub(r"\s", "", text) for text in texts]
    assert all(text.startswith(re.sub(r"\s", "", name) + ":") for text in unbroken), texts


def test_samples_by_condition_have_a_row_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(spec_of((2, 2)), high=100.0)
    shown: list[np.ndarray] = []
    monkeypatch.setattr(labelled_grid, "save_labelled_grid", lambda picture, *rest: shown.extend([picture, *rest]))
    # Five examples of two conditions in turn, each as bright as its number; the sixth place is paper.
    examples = np.arange(5.0).reshape(5, 1, 1) * 20 + np.zeros((5, 2, 2))
    labelled_grid.save_by_condition(examples, ["a", "b"], spec, tmp_path / "x.png", "title")
    picture, columns, rows = shown[:3]
    assert (columns, rows) == (["", "", ""], ["a", "b"])
    assert picture[1::3, 1::3, 0].tolist() == [[0, 102, 204], [51, 153, 255]]


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"RunSummary\.samples has shape \(3, 4\); expected \(n, 28, 20\)"):
        healthy_faces(samples=np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"RunSummary\.labels has 3 rows but latent_means has 120"):
        healthy_faces(labels=np.zeros(3))
    with pytest.raises(DataError, match=r"RunSummary\.kl_by_latent_nats has shape \(2,\); expected \(4,\)"):
        healthy_faces(kl_by_latent_nats=np.zeros(2))
    with pytest.raises(DataError, match=r"RunSummary\.reconstructions has 3 rows but originals has 12"):
        healthy_faces(reconstructions=np.zeros((3, 28, 20)))


def test_circles_are_those_of_a_normal_prior() -> None:
    block = healthy_faces().latent_blocks[0]
    learned = healthy_faces(latent_blocks=(block._replace(has_normal_prior=False),))
    for summary, circles in ((healthy_faces(), 3), (learned, 0)):
        axes = axes_of(lambda axes, summary: draw_latent_means(axes, choose_view(summary), colour_bar=False), summary)
        assert len(axes.lines) == circles


def test_the_days_of_a_table_may_lie_at_the_ends_of_time() -> None:
    column = Column("day", "date-time", decimals=0, low=-719162.0, high=2932896.0)
    days = np.array([-719162.0, 0.0, 2932896.0, np.nan])
    figure = Figure()
    FigureCanvasAgg(figure)
    for place, are_samples in enumerate((True, False)):
        column_drawing(column, "day", days, days, are_samples=are_samples)(figure.add_subplot(1, 2, place + 1))
    figure.canvas.draw()
    shown = [tick.get_text() for axes in figure.axes for tick in axes.get_xticklabels()]
    assert all(re.fullmatch(r"-?\d{4,5}-\d\d-\d\d", text) for text in shown if text)
    assert len(shown) > 2
