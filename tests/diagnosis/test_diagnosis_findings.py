"""Each finding from what a run recorded: a run that gives cause for it, and the healthy run, which gives none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.stats
from support_report import CONFIG, examination, healthy_faces, history, settled_bound, table

from lowerbound.config import RunConfig
from lowerbound.config.catalogue import class_of
from lowerbound.config.part import PartConfig
from lowerbound.data.describe import describe
from lowerbound.diagnosis import Finding, diagnose
from lowerbound.diagnosis.collapse import diversity, mean_distance
from lowerbound.evaluation.aggregate import AggregateEstimate
from lowerbound.likelihoods.lattice import Lattice
from lowerbound.likelihoods.remedies import REMEDIES, better_likelihoods
from lowerbound.summaries import RunSummary, Score
from lowerbound.summaries.summary import NATS


def findings(summary: RunSummary) -> list[Finding]:
    return [finding for _, finding in diagnose(summary).findings]


def serious(summary: RunSummary) -> list[Finding]:
    """Those that are more than notes."""
    return [finding for finding in findings(summary) if finding.severity != "note"]


def checked(summary: RunSummary) -> tuple[list[str], list[str]]:
    """The names of the checks that were made, and of those that could not be."""
    diagnosis = diagnose(summary)
    return [check.name for check in diagnosis.done], [check.name for check in diagnosis.impossible]


def found(summary: RunSummary, text: str) -> list[tuple[str, str]]:
    """Severity and figure of the findings whose sentence holds `text`."""
    return [(finding.severity, finding.figure) for finding in findings(summary) if text in finding.sentence]


def config(section: str, **keys: Any) -> RunConfig:
    return CONFIG.updated({section: keys})


def watching(monitor: str, share: float) -> dict[str, np.ndarray]:
    return {**history(settled_bound()), f"monitor/{monitor}": np.full(100, share)}


def with_score(name: str, value: float, split: str, error: float = 1.0, measure: str = "lebesgue") -> tuple[Score, ...]:
    kept = tuple(score for score in healthy_faces().scores if (score.name, score.split) != (name, split))
    return (*kept, Score(name, value, NATS, measure, split, standard_error=error))


def test_a_healthy_run_gives_notes_at_most() -> None:
    assert [finding.severity for finding in findings(healthy_faces())] == ["note"], "8-bit data under a density"
    done, impossible = checked(healthy_faces())
    assert len(done) >= 10
    # What needs the model itself is tested beside this file.
    assert set(impossible) == {"prior-hole", "too-few-latents", "likelihood-fit", "ignored-inputs", "skewed-columns"}
    assert diagnose(healthy_faces()).verdict == f"nothing to worry about ({len(done)} checks, 1 note)"


class TestCollapse:
    def test_no_active_latent(self) -> None:
        summary = healthy_faces(
            latent_is_active=np.zeros(4, bool), kl_by_latent_nats=np.full(4, 5e-6), scores=with_score("kl_nats", 2e-5, "test")
        )
        assert found(summary, "Posterior collapse") == [("serious", "0 of 4 latents active, KL 2e−05 nats")]

    def test_little_kl_is_collapse_even_if_a_latent_moves(self) -> None:
        summary = healthy_faces(latent_is_active=np.array([True, False, False, False]), scores=with_score("kl_nats", 0.3, "test"))
        assert found(summary, "Posterior collapse") == [("serious", "1 of 4 latents active, KL 0.3 nats")]

    def test_a_floor_is_looked_at_where_the_likelihood_has_one(self) -> None:
        for likelihood in (CONFIG.likelihood, PartConfig("likelihood", "bernoulli")):
            config = dataclasses.replace(CONFIG, likelihood=likelihood)
            first = findings(healthy_faces(config=config, latent_is_active=np.zeros(4, bool)))[0]
            assert "Posterior collapse" in first.sentence
            assert ("likelihood.scale_floor" in first.advice) is (likelihood.name == "gaussian")

    def test_a_kl_that_only_says_how_far_the_codes_are_from_the_prior_is_collapse(self) -> None:
        def told(information: float) -> RunSummary:
            aggregate = AggregateEstimate(information, 0.04, 2.6, 0.1, 1.0, 0.1, 1.6, 0.1, 200, np.log(200))
            return healthy_faces(examination=examination(560, aggregate=aggregate))

        assert found(told(0.13), "Posterior collapse") == [
            ("serious", "4 of 4 latents active, KL 12.0 nats, I(x;z) 0.13 ± 0.04 nats")
        ]
        assert found(told(1.1), "Posterior collapse") == []

    def test_kl_comes_from_the_latents_where_there_is_no_score(self) -> None:
        summary = healthy_faces(scores=(), kl_by_latent_nats=np.full(4, 0.01))
        assert found(summary, "Posterior collapse") == [("serious", "4 of 4 latents active, KL 0.04 nats")]

    def test_most_latents_dead(self) -> None:
        means = np.random.default_rng(0).standard_normal((120, 20))
        active = np.arange(20) < 3
        summary = healthy_faces(latent_means=means, latent_is_active=active, kl_by_latent_nats=np.where(active, 4.0, 0.0))
        assert found(summary, "Most latents are dead: 17 of 20") == [
            ("warning", "3 of 20 latents active, KL 12.0 nats; dead: 3-19")
        ]
        assert found(summary, "Posterior collapse") == []

    def test_a_few_unused_latents_are_only_noted(self) -> None:
        summary = healthy_faces(latent_is_active=np.array([True, True, False, True]))
        assert found(summary, "1 latent is not used. This is harmless") == [
            ("note", "3 of 4 latents active, KL 12.0 nats; dead: 2")
        ]


class TestSamplesAlike:
    def test_copies_of_one_average(self) -> None:
        real = healthy_faces().real.astype(np.float32)
        average = np.repeat(real.mean(axis=0, keepdims=True), 60, axis=0)
        [(severity, _)] = found(healthy_faces(samples=average + 0.1 * real), "more alike than real examples")
        assert severity == "serious"

    def test_noise_does_not_hide_it_where_the_means_are_known(self) -> None:
        real = healthy_faces().real.astype(np.float32)
        average = np.repeat(real.mean(axis=0, keepdims=True), 60, axis=0)
        noisy = average + np.random.default_rng(0).standard_normal(average.shape).astype(np.float32) * real.std(axis=0)
        fooled = healthy_faces(samples=noisy)
        assert diversity(fooled) > 0.9, "the control: from the draws alone the copies look as varied as faces"
        [(severity, figure)] = found(dataclasses.replace(fooled, sample_means=average), "more alike than real examples")
        assert (severity, figure) == ("serious", "two samples differ by 0% of what two real examples differ by")

    def test_columns_of_a_table_count_alike(self) -> None:
        rows = table().real.copy()
        made = np.repeat(rows.mean(axis=0, keepdims=True), 200, axis=0)
        made[:, 0] = rows[:, 0]
        assert found(table(samples=made), "more alike than real examples") != []
        assert found(table(), "more alike than real examples") == []

    def test_mean_distance_is_that_of_all_pairs(self) -> None:
        points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])
        assert mean_distance(points) == pytest.approx((5 + 8 + 5) / 3)
        assert np.isnan(mean_distance(points[:1]))


@pytest.mark.parametrize(("share", "severity"), [(0.005, None), (0.05, "warning"), (0.6, "serious")])
def test_scales_at_their_floor(share: float, severity: str | None) -> None:
    summary = healthy_faces(history=watching("fraction_at_floor", share))
    expected = [] if severity is None else [(severity, f"{share:.1%} of elements at the floor of 0.5")]
    assert found(summary, "scales lie at their floor") == expected


def test_where_values_recur_a_floor_has_a_likelihood_without_one() -> None:
    summary = table(history=watching("fraction_at_floor", 0.5))
    low, high = (tuple(end(summary.real, axis=0).tolist()) for end in (np.min, np.max))
    summary = dataclasses.replace(summary, spec=dataclasses.replace(summary.spec, element_low=low, element_high=high))
    plain = [each.advice for each in findings(summary) if "lie at their floor" in each.sentence]
    assert len(plain) == 1
    assert "inflated" not in plain[0]
    spec = dataclasses.replace(summary.spec, atoms=((0.0,), *((),) * (summary.spec.num_elements - 1)))
    [found_here] = [each for each in findings(dataclasses.replace(summary, spec=spec)) if "lie at their floor" in each.sentence]
    assert f"In 1 of {spec.num_elements} columns single values recur; inflated-gaussian-mixture" in found_here.advice
    assert "likelihood.name=inflated-gaussian-mixture" in found_here.command


def test_a_probability_at_its_floor_is_no_fault() -> None:
    """Whatever the share: what a lower floor would give is bounded, as it is not for a density."""
    summary = dataclasses.replace(healthy_faces(history=watching("fraction_at_floor", 0.9)), measure="counting")
    [(severity, figure)] = found(summary, "scales lie at their floor")
    assert (severity, figure) == ("note", "90.0% of scales at the floor of a tenth of a level")
    levels = Lattice(0.0, 1.0, 256)
    on_level = scipy.stats.logistic(scale=np.exp(levels.log_scale_floor))
    lost = -np.log(on_level.cdf(levels.step / 2) - on_level.cdf(-levels.step / 2))
    assert 0.013 < lost < 0.014, "the sentence says 0.014 nats"


@pytest.mark.parametrize(
    ("name", "share", "figure"),
    [
        ("fraction_saturated", 0.19, None),
        ("fraction_saturated", 0.3, "30.0% of probabilities within 1e-6 of 0 or 1; 0.0% of elements never change, and up to 20%"),
        ("fraction_dispersion_held", 0.4, "40.0% of dispersions at an end of their range; "),
        ("fraction_inflated", 0.6, "60.0% of counts said to be zeros whatever their rate; "),
        ("fraction_of_their_own", 0.9, None),
    ],
)
def test_what_a_likelihood_watches(name: str, share: float, figure: str | None) -> None:
    summary = healthy_faces(history=watching(name, share))
    notes = [finding for check, finding in diagnose(summary).findings if check == "monitors"]
    assert [finding.severity for finding in notes] == ["note"] * (figure is not None)
    assert all(finding.figure.startswith(str(figure)) for finding in notes)


def test_elements_that_never_change_may_be_certain() -> None:
    half = table(history=watching("fraction_saturated", 0.3))
    assert "monitors" not in dict(diagnose(half).findings), "one of five columns is constant"


class TestOverfitting:
    @pytest.mark.parametrize(("gap", "severity"), [(20.0, None), (60.0, "warning"), (200.0, "serious")])
    def test_of_a_density_counts_by_the_element(self, gap: float, severity: str | None) -> None:
        summary = healthy_faces(history=history(settled_bound(), gap=gap))
        assert [worry[0] for worry in found(summary, "Overfitting")] == ([] if severity is None else [severity])

    @pytest.mark.parametrize(("gap", "severity"), [(3.0, None), (8.0, "warning"), (30.0, "serious")])
    def test_of_a_probability_counts_by_the_bound(self, gap: float, severity: str | None) -> None:
        bound = settled_bound(end=-90.0, start=-300.0) * 1.0
        summary = healthy_faces(history=history(bound, gap=gap), measure="counting", scores=())
        assert [worry[0] for worry in found(summary, "Overfitting")] == ([] if severity is None else [severity])

    def test_scores_of_both_splits_go_before_the_history(self) -> None:
        scores = with_score("elbo_nats", -1700.0, "train")
        [(severity, figure)] = found(healthy_faces(scores=scores), "(test)")
        assert severity == "warning"
        assert figure == "gap 102.2 ± 9.06 nats: train −1,700.0, test −1,802.2 (0.18 nats an element)"

    def test_where_cells_were_hidden_whole_training_examples_are_compared(self) -> None:
        whole = Score("elbo_nats", -1700.0, NATS, "lebesgue", "train", standard_error=5.0)
        # The record of training is about examples of which cells are hidden: here it would show no gap.
        summary = healthy_faces(config=config("training", hide_elements=0.5), bound_on_training=whole)
        [(_, figure)] = found(summary, "(test)")
        assert "train −1,700.0, test −1,802.2" in figure
        [(_, figure)] = found(dataclasses.replace(summary, scores=()), "(validation)")
        assert "train −1,700.0, validation" in figure
        unknown = dataclasses.replace(summary, scores=(), bound_on_training=None)
        assert found(unknown, "Overfitting") == []
        assert "overfitting" in checked(unknown)[1]

    def test_the_record_of_training_is_with_dropout_and_a_score_is_not(self) -> None:
        thinned = healthy_faces(history=history(settled_bound(), gap=60.0), config=config("network", dropout=0.1))
        [(_, figure)] = found(thinned, "Overfitting")
        assert " with dropout, validation" in figure
        whole = Score("elbo_nats", -1700.0, NATS, "lebesgue", "train", standard_error=5.0)
        for scored in (
            dataclasses.replace(thinned, scores=with_score("elbo_nats", -1700.0, "train")),
            dataclasses.replace(thinned, bound_on_training=whole),
        ):
            [(_, figure)] = found(scored, "(test)")
            assert "train −1,700.0, test −1,802.2" in figure

    def test_a_gap_within_its_error_is_no_worry(self) -> None:
        scores = with_score("elbo_nats", -1700.0, "train", error=60.0)
        assert found(healthy_faces(scores=scores), "Overfitting") == []

    def test_advice_leaves_out_what_is_done_already(self) -> None:
        summary = healthy_faces(history=history(settled_bound(), gap=60.0))
        advice = {worry.advice.split(".")[0] for worry in findings(summary)}
        assert any("Keep the best validated weights" in text for text in advice)
        early = dataclasses.replace(summary, config=config("training", early_stopping_patience=20))
        assert all("Keep the best validated weights" not in worry.advice for worry in findings(early))

    def test_cannot_be_checked_without_held_out_data(self) -> None:
        nothing = np.full(100, np.nan)
        summary = healthy_faces(history=history(settled_bound(), validation_elbo_nats=nothing), scores=())
        done, impossible = checked(summary)
        assert "overfitting" in impossible
        assert "overfitting" not in done


class TestPastTheBest:
    fallen = history(settled_bound(), validation_elbo_nats=settled_bound() - 2 - np.maximum(np.arange(100) - 50, 0) * 0.4)

    def test_last_weights_kept(self) -> None:
        [(severity, figure)] = found(healthy_faces(history=self.fallen), "fell afterwards")
        assert severity == "warning"
        assert 15 < float(figure.split()[0]) < 25

    def test_best_weights_kept(self) -> None:
        best = float(np.argmax(self.fallen["validation_elbo_nats"]) + 1)
        summary = healthy_faces(history=self.fallen, config=config("training", early_stopping_patience=60), best_epoch=best)
        assert found(summary, "fell afterwards") == []


class TestUndertrained:
    rising = history(-4000 + 20.0 * np.arange(100))

    def test_still_rising(self) -> None:
        summary = healthy_faces(history=self.rising)
        assert found(summary, "still rising") == [("warning", "200.0 nats gained in the last tenth of the epochs")]
        [command] = [worry.command for worry in findings(summary) if "still rising" in worry.sentence]
        assert command == "lowerbound train --resume healthy --epochs 200"

    def test_without_validation_the_training_bound_tells(self) -> None:
        history_of_training = {**self.rising, "validation_elbo_nats": np.full(100, np.nan)}
        assert found(healthy_faces(history=history_of_training), "still rising") != []

    def test_early_stopping_is_no_early_end(self) -> None:
        assert found(healthy_faces(history=self.rising, stop_reason="early stopping"), "still rising") == []

    def test_noise_is_no_rise(self) -> None:
        """Of 200 runs that are done and noisy, fewer than one in fifty may be called too short (a 3-sigma rule)."""
        rng = np.random.default_rng(0)
        summary, alarms = healthy_faces(), 0
        for _ in range(200):
            noisy = history(-1800 + 10 * rng.standard_normal(100))
            noisy["validation_elbo_nats"] = -1810 + 10 * rng.standard_normal(100)
            alarms += bool(found(dataclasses.replace(summary, history=noisy), "still rising"))
        assert alarms <= 4


class TestDiverging:
    def test_not_a_number(self) -> None:
        bound = settled_bound()
        bound[-3:] = np.nan
        assert found(healthy_faces(history=history(bound)), "Training diverged") == [("serious", "3 of 100 looks")]

    def test_backwards(self) -> None:
        bound = settled_bound()
        bound[60:] -= np.linspace(0, 4000, 40)
        [(severity, _)] = found(healthy_faces(history=history(bound)), "Training went backwards")
        assert severity == "serious"


class TestKlWeight:
    def test_other_than_one(self) -> None:
        summary = healthy_faces(config=config("objective", beta=4.0))
        assert found(summary, "what was minimised is not a bound") == [("warning", "KL weight 4 (objective.beta)")]

    def test_whatever_else_makes_the_loss_no_bound(self) -> None:
        summary = healthy_faces(config=config("objective", free_nats=0.5), loss_is_bound=False)
        assert found(summary, "not a bound on the evidence") == [("note", "the objective is elbo, free_nats=0.5")]

    def test_warm_up_not_ended(self) -> None:
        summary = healthy_faces(
            config=config("objective", warmup_epochs=200), history=history(settled_bound(), kl_weight=np.linspace(0, 0.5, 100))
        )
        assert found(summary, "warm-up had not ended") == [("warning", "KL weight 0.50 at the end")]


def test_stopped_by_a_signal() -> None:
    summary = healthy_faces(stop_reason="stopped by SIGINT", epochs_run=40.0)
    assert found(summary, "stopped before its end") == [("warning", "epoch 40 of 100")]
    [worry] = serious(dataclasses.replace(summary, folder="runs/my run"))
    assert worry.command == "lowerbound train --resume 'runs/my run'"
    assert summary.how_it_ended == "stopped at epoch 40 (SIGINT)"


def test_codes_wider_than_the_prior() -> None:
    means = healthy_faces().latent_means * [3, 1, 1, 1]
    [(severity, figure)] = found(healthy_faces(latent_means=means), "spread more widely than the prior")
    assert severity == "warning"
    assert figure.startswith("1 of 4 latents; largest mean square ")


def test_elements_that_never_change() -> None:
    assert found(table(), "never change") == [("note", "1 of 5 columns: column 'flat'")]


def test_the_most_serious_comes_first() -> None:
    summary = healthy_faces(
        latent_is_active=np.zeros(4, bool),
        stop_reason="stopped by SIGTERM",
        spec=dataclasses.replace(healthy_faces().spec, std=(0.0, *healthy_faces().spec.std[1:])),
    )
    assert [worry.severity for worry in findings(summary)] == ["serious", "warning", "note", "note"]


def test_what_the_data_are_measured_by_is_never_left() -> None:
    """Whole numbers have probabilities: whatever is wrong with their likelihood, no density is proposed for them."""
    rng = np.random.default_rng(0)
    of = {
        "counts": describe(rng.poisson(3, (300, 4)) * rng.integers(1, 9, (300, 4))),
        "8-bit colours": describe(rng.integers(1, 256, (30, 4, 4, 3)).astype(np.uint8)),
        "bits": describe(rng.integers(0, 2, (300, 4))),
        "positive numbers": describe(np.exp(rng.normal(size=(300, 4)))),
    }
    for name, spec in of.items():
        for misfit in REMEDIES:
            measures = {class_of("likelihood", better).measure for better in better_likelihoods(misfit, spec)}
            assert measures <= {"lebesgue" if name == "positive numbers" else "counting"}, (name, misfit)
    assert better_likelihoods("heavy-tails", of["counts"])[0] == "negative-binomial"
    assert better_likelihoods("positive-skew", of["8-bit colours"])[0] == "discretized-logistic-mixture"
    assert better_likelihoods("positive-skew", of["positive numbers"]) == ["log-normal", "student-t", "laplace"]
    assert better_likelihoods("positive-skew", of["positive numbers"], tried={"log-normal"})[0] == "student-t"


class TestAdviceThatWasTried:
    alike = healthy_faces(latent_means=healthy_faces().latent_means * [3, 1, 1, 1])

    def command(self, summary: RunSummary, text: str) -> str:
        [finding] = [finding for finding in findings(summary) if text in finding.sentence]
        return finding.command

    def test_is_followed_by_the_next(self) -> None:
        text = "spread more widely than the prior"
        assert "prior.name=vamp" in self.command(self.alike, text)
        learned, fewer = config("prior", name="vamp", num_components=100), config("model", latent_dim=2)
        tried = dataclasses.replace(self.alike, tried=(learned,))
        assert self.command(tried, text).endswith("--set model.latent_dim=2")
        both = dataclasses.replace(self.alike, tried=(learned, fewer))
        assert self.command(both, text) == ""

    def test_a_collapse_is_not_warmed_up_twice(self) -> None:
        collapsed = healthy_faces(latent_is_active=np.zeros(4, bool), scores=())
        assert "objective.warmup_epochs=50" in self.command(collapsed, "Posterior collapse")
        warmed = dataclasses.replace(collapsed, tried=(config("objective", warmup_epochs=50),))
        assert "training.learning_rate=0.00033" in self.command(warmed, "Posterior collapse")
