"""Data that are not in memory train to what the same data in memory do; the order of files is a shuffle of its own."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import pytest
from registry import DATA, model_of

from lowerbound import VAE
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.data.streams import ArrayRows, BlockRows, ModelRows
from lowerbound.errors import DataError
from lowerbound.objectives import ELBO
from lowerbound.training import Progress, Record, Trainer
from lowerbound.training import stream as streams
from lowerbound.training.schedule import Schedule

CONFIG = TrainingConfig(epochs=4, batch_size=7, learning_rate=0.01, validate_every=2)
TABLE = DATA["table"]
SPEC = describe(TABLE)


class _Blocks(BlockRows):
    """An array in blocks, which counts how often one is read."""

    def __init__(self, array: np.ndarray, sizes: list[int]) -> None:
        super().__init__("blocks", np.concatenate([[0], np.cumsum(sizes)]), array.shape[1:], array.dtype)
        self.array, self.asked = array, []

    def read_block(self, number: int) -> np.ndarray:
        self.asked.append(number)
        return self.array[self.starts[number] : self.starts[number + 1]]


def _example(rows: BlockRows | ArrayRows) -> Example:
    return Example(ModelRows(rows, np.arange(len(rows)), SPEC, masks=False))


def _trainer(train: Example | np.ndarray, validation: Example | np.ndarray, config: TrainingConfig = CONFIG) -> Trainer:
    return Trainer(model_of("table-gaussian-standard", jax.random.key(0)), train, validation, ELBO(), config)


def _trained(trainer: Trainer) -> tuple[Progress, list[Record]]:
    records: list[Record] = []
    return trainer.run(trainer.start(), on_record=lambda record, _: records.append(record)), records


def test_rows_that_are_read_one_by_one_train_as_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data, held_out = TABLE[:42], TABLE[40:]
    resident, of_resident = _trained(_trainer(data.astype(np.float32), held_out.astype(np.float32)))
    # A validation in blocks, of which the last is not full.
    monkeypatch.setattr("lowerbound.training.program._BLOCK_BYTES", 1)
    streamed, of_streamed = _trained(_trainer(_example(ArrayRows(data, "x")), _example(ArrayRows(held_out, "x"))))
    assert eqx.tree_equal(streamed.state, resident.state)
    for one, other in zip(of_resident, of_streamed, strict=True):
        assert one.validation_bound_nats == pytest.approx(other.validation_bound_nats, rel=1e-6)
        assert one.validation_standard_error_nats == pytest.approx(other.validation_standard_error_nats, rel=1e-5)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-6)


def test_an_epoch_of_windows_holds_each_row_once_in_an_order_of_its_own() -> None:
    starts = np.array([0, 5, 6, 20, 31, 40])
    order = streams.Windows(starts, 12)
    epochs = []
    for epoch in range(2):
        windows, ends = order.windows((1, 2), epoch)
        rows = [order.stored((1, 2), epoch, window) for window in range(len(windows))]
        assert [len(each) for each in rows] == np.diff(ends).tolist()
        epochs.append(np.concatenate([each[order.shuffled((1, 2), epoch, n, len(each))] for n, each in enumerate(rows)]))
        np.testing.assert_array_equal(np.sort(epochs[-1]), np.arange(40))
    assert (epochs[0] != epochs[1]).any()


def test_the_quality_of_a_shuffle_is_measured() -> None:
    starts = np.arange(0, 100_001, 100)
    # One window is a full shuffle: its correlation is 0 but for chance, 1 / sqrt(pairs) = 0.003.
    assert abs(streams.Windows(starts, 100_000).neighbours((0,))) < 0.02
    # Ten blocks of a thousand in a window: of their places a tenth of the variance is the window's own.
    assert 0.05 < streams.Windows(starts, 1000).neighbours((0,)) < 0.2
    assert streams.Windows(starts, 100).neighbours((0,)) > 0.99


def _feed(sizes: list[int]) -> tuple[streams.Stream, _Blocks]:
    blocks = _Blocks(TABLE[:40], sizes)
    return streams.Stream(streams.Reader(_example(blocks))), blocks


def test_chunks_from_any_step_are_those_of_a_run_never_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is read again is one window, and the one ahead of it."""
    monkeypatch.setattr(streams, "WINDOW_BYTES", 8 * 4 * TABLE.shape[1])
    key = jax.random.key(3)
    for steps_per_batch in (1, 2):
        schedule = Schedule.plan(TrainingConfig(epochs=3, batch_size=3), 40, steps_per_batch, most_steps=4)
        feed, _ = _feed([4] * 10)
        steps = range(0, schedule.num_steps, schedule.steps_per_chunk)
        chunks = {step: np.asarray(feed.fetch(key, step, schedule).data.x) for step in steps}
        feed.close()
        assert all(len(chunk) == schedule.steps_per_chunk * 3 for chunk in chunks.values())
        again, blocks = _feed([4] * 10)
        step = list(chunks)[len(chunks) // 2]
        np.testing.assert_array_equal(np.asarray(again.fetch(key, step, schedule).data.x), chunks[step])
        again.close()
        assert 0 < len(set(blocks.asked)) <= 8
        if steps_per_batch == 2:
            x = chunks[0].reshape(-1, 3, *TABLE.shape[1:])
            np.testing.assert_array_equal(x[0], x[1])


def test_files_train_and_the_time_of_waiting_is_known() -> None:
    trainer = _trainer(_example(_Blocks(TABLE[:42], [20, 22])), TABLE[40:].astype(np.float32))
    assert "2 blocks in random order" in trainer.how_fed
    before = trainer.start().state.params
    progress, _ = _trained(trainer)
    assert not eqx.tree_equal(progress.state.params, before)
    assert progress.stop_reason == "all epochs"
    assert trainer.feed.waited > 0


def test_what_a_reader_finds_wrong_ends_training_with_its_words() -> None:
    class _Torn(_Blocks):
        def read_block(self, number: int) -> np.ndarray:
            raise DataError("part-7.npz is not what it was")

    with pytest.raises(DataError, match=r"part-7\.npz is not what it was"):
        _trained(_trainer(_example(_Torn(TABLE[:42], [42])), TABLE[40:].astype(np.float32)))


def test_the_estimator_takes_a_sparse_matrix_and_keeps_it_so() -> None:
    import scipy.sparse

    counts = np.random.default_rng(0).poisson(0.5, (90, 6))
    settings = {
        "epochs": 2,
        "batch_size": 16,
        "random_state": 0,
        "automatic": False,
        "likelihood": "poisson",
        "hidden_widths": (4,),
    }
    plain = VAE(**settings).fit(counts)
    matrix = scipy.sparse.csr_matrix(counts)
    streamed = VAE(**settings, config={"data": {"memory": "streamed"}}).fit(matrix)
    assert streamed.config_.data.memory == "streamed"
    assert streamed.spec_ == plain.spec_
    np.testing.assert_allclose(streamed.transform(matrix), plain.transform(counts), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(streamed.score_samples(matrix[:9]), plain.score_samples(counts[:9]), rtol=1e-5)
