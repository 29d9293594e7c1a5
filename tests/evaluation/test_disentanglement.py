"""Scores against factors on laws whose score is known: perfect, permuted, rotated, independent, dead and tied codes."""

from __future__ import annotations

import numpy as np
import pytest
from support.chance import agrees

from lowerbound.errors import DataError
from lowerbound.evaluation.disentanglement import (
    FactorGroups,
    dci,
    disentanglement_scores,
    factor_bins,
    factor_vae_score,
    groups_from_generator,
    groups_of_data,
    modularity,
    mutual_information,
    mutual_information_gap,
    sap,
)
from lowerbound.evaluation.disentanglement.information import information_bias

RNG = np.random.default_rng(0)
FACTORS = RNG.uniform(size=(3000, 3))
ROTATED = (FACTORS - 0.5) @ np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3
INDEPENDENT = RNG.standard_normal((3000, 3))


def test_a_perfect_code_scores_one_whatever_its_order_scale_and_dead_latents() -> None:
    perfect = disentanglement_scores(FACTORS, FACTORS, ("turn", "tilt", "smile"))
    # Finite samples add about 19 * 9 / 6000 nats to each of the other latents' information.
    assert perfect.mig == pytest.approx(1.0, abs=0.03)
    assert perfect.sap == pytest.approx(1.0, abs=0.01)
    assert perfect.modularity == pytest.approx(1.0, abs=0.01)
    assert min(perfect.dci_disentanglement, perfect.dci_completeness, perfect.dci_informativeness) > 0.97
    assert perfect.factor_vae == 1.0
    assert perfect.beta_vae > 0.98
    dead = np.concatenate([-7 * FACTORS[:, [2, 0, 1]], 1e-4 * RNG.standard_normal((3000, 1)), np.zeros((3000, 1))], axis=1)
    same = disentanglement_scores(dead, FACTORS)
    assert same.mig == pytest.approx(perfect.mig, abs=0.02)
    assert same.modularity == pytest.approx(perfect.modularity, abs=0.01)
    assert same.sap == pytest.approx(perfect.sap, abs=0.01)
    assert same.dci_disentanglement > 0.97
    assert same.factor_vae == 1.0


def test_rotated_and_independent_codes_score_low() -> None:
    rotated, nothing = disentanglement_scores(ROTATED, FACTORS), disentanglement_scores(INDEPENDENT, FACTORS)
    assert rotated.mig < 0.5
    assert rotated.modularity < 0.9
    assert rotated.sap < 0.6
    # A rotation keeps what is known of the factors, and mixes it.
    assert rotated.dci_informativeness > 0.8
    assert rotated.dci_disentanglement < 0.6
    assert nothing.mig == pytest.approx(0.0, abs=0.02)
    assert nothing.sap == pytest.approx(0.0, abs=0.01)
    assert nothing.dci_informativeness < 0.05
    for score in (nothing.factor_vae, nothing.beta_vae):
        assert score == pytest.approx(1 / 3, abs=0.12)


def test_information_of_a_table_worked_by_hand() -> None:
    """z tells v in half of the cases: I = log 2 / 2 for two equally likely values of v."""
    factor = np.tile([0, 1], 500)[:, None]
    code = np.where(np.arange(1000) < 500, factor[:, 0], 2)[:, None].astype(float)
    information = mutual_information(code, factor)
    assert information[0, 0] == pytest.approx(np.log(2) / 2, abs=1e-12)
    assert mutual_information_gap(information, np.array([np.log(2)])) == pytest.approx(0.5, abs=1e-12)
    # The negative control: without the entropy it is another number.
    assert information[0, 0] != pytest.approx(0.5, abs=0.1)
    # A factor in two latents alike has no gap.
    twice = mutual_information(np.repeat(code, 2, axis=1), factor)
    assert mutual_information_gap(twice, np.array([np.log(2)])) == pytest.approx(0.0, abs=1e-12)


def test_modularity_worked_by_hand() -> None:
    information = np.array([[1.0, 0.0, 0.0], [0.6, 0.6, 0.0], [0.0, 0.01, 0.0]])
    # 1 for the first, 1 - 0.36 / (0.36 * 2) = 1/2 for the second; the third knows of nothing.
    assert modularity(information) == pytest.approx(0.75)


@pytest.mark.parametrize("number", [1565, 3000])
def test_latents_that_know_nothing_do_not_lower_modularity_with_few_examples(number: int) -> None:
    factors = FACTORS[:number]
    binned = factor_bins(factors)
    information = mutual_information(np.concatenate([factors, INDEPENDENT[:number]], axis=1), binned)
    assert modularity(information, information_bias(number)) == pytest.approx(1.0, abs=0.02)
    if number < 3000:
        # The control: what counts show of nothing, left in.
        assert modularity(information) < 0.8


def test_ties_and_few_values_keep_their_own_bins() -> None:
    column = np.array([[0.0], [0.0], [5.0], [7.0]])
    assert factor_bins(column)[:, 0].tolist() == [0, 0, 1, 2]
    many = np.concatenate([np.zeros(50), np.arange(1.0, 51.0)])[:, None]
    binned = factor_bins(many, 4)[:, 0]
    assert len(np.unique(binned[:50])) == 1
    assert np.all(np.diff(binned[50:]) >= 0)


def test_scores_repeat_with_their_seed() -> None:
    first, second = (disentanglement_scores(ROTATED[:600], FACTORS[:600], seed=1) for _ in range(2))
    assert first == second
    assert disentanglement_scores(ROTATED[:600], FACTORS[:600], seed=2) != first
    assert dci(ROTATED, FACTORS, seed=1) == dci(ROTATED, FACTORS, seed=1)
    assert 0 <= sap(ROTATED, FACTORS) <= 1


def test_groups_of_a_generator_share_one_value_and_nothing_else() -> None:
    groups = groups_from_generator(FACTORS, lambda rows: rows)
    spread = np.ptp(groups.codes, axis=1)
    assert np.array_equal(np.argmin(spread, axis=1), groups.fixed)
    assert spread[np.arange(len(spread)), groups.fixed].max() == 0
    assert np.sort(spread, axis=1)[:, 1].min() > 0.5
    # Each factor is drawn by itself: of two that go together in the data, fixing one leaves the other free.
    tied = np.repeat(FACTORS[:, :1], 2, axis=1)
    free = groups_from_generator(tied, lambda rows: rows)
    assert np.ptp(free.codes, axis=1).max(axis=1).min() > 0.5
    # The control: in groups of the data it is not.
    bound = groups_of_data(tied, factor_bins(tied))
    assert np.ptp(bound.codes, axis=1).max() < 0.2


def test_scores_with_a_generator() -> None:
    few = FACTORS[:600]
    perfect = disentanglement_scores(few, few, encode=lambda rows: rows)
    assert perfect.groups_from == "generator"
    assert perfect.factor_vae == 1.0
    assert perfect.beta_vae > 0.98
    nothing = disentanglement_scores(
        INDEPENDENT, FACTORS, encode=lambda rows: np.random.default_rng(3).standard_normal(rows.shape)
    )
    for score in (nothing.factor_vae, nothing.beta_vae):
        # A share of at least 200 votes.
        assert agrees(score, 1 / 3, np.sqrt(2 / 9 / 200), slack=0.03)
    # Constant factors are never fixed.
    padded = np.concatenate([np.zeros((600, 1)), few], axis=1)
    assert disentanglement_scores(few, padded, encode=lambda rows: rows[:, 1:]).factor_vae == 1.0


@pytest.mark.parametrize("broken", ["with the dead", "not relative", "trained and judged on the same"])
def test_broken_scores_are_seen(broken: str) -> None:
    """Negative controls: what FactorVAE's score would be without its exclusions."""
    codes = np.concatenate([FACTORS * [1, 1, 9], 1e-6 * INDEPENDENT[:, :1]], axis=1)
    groups, variances = groups_of_data(codes, factor_bins(FACTORS, 4)), np.var(codes, axis=0)
    assert factor_vae_score(groups, variances) == 1.0
    if broken == "with the dead":
        # The smallest variance in a group is then always that of the dead latent.
        votes = np.argmin(np.var(groups.codes, axis=1), axis=1)
        assert np.all(votes == 3)
    elif broken == "not relative":
        assert factor_vae_score(groups, np.ones(4)) < 0.9
    else:
        many = FactorGroups(np.random.default_rng(0).standard_normal((800, 64, 300)), groups.fixed)
        votes = np.argmin(np.var(many.codes, axis=1), axis=1)
        table = np.zeros((300, 3))
        np.add.at(table, (votes, many.fixed), 1)
        assert np.mean(table.argmax(axis=1)[votes] == many.fixed) > 0.45
        # A share of 400 votes, which would be 0.63 were it taken of those that it was trained on.
        assert agrees(factor_vae_score(many, np.ones(300)), 1 / 3, np.sqrt(2 / 9 / 400))


def test_too_few_examples_or_factors_are_refused() -> None:
    with pytest.raises(DataError, match=r"there are 100 codes and 100 rows of factors; expected as many of both, at least 256"):
        disentanglement_scores(FACTORS[:100], FACTORS[:100])
    with pytest.raises(DataError, match="fewer than two factors change"):
        disentanglement_scores(FACTORS, np.ones((3000, 2)))
