"""Splits: disjoint, complete, reproducible, and told apart by their fingerprints."""

import json
import os

import numpy as np
import pytest

from lowerbound.data.splits import Split, check_same_data, consecutive_split, data_sha256, shuffled_split, split_record
from lowerbound.errors import ConfigurationError, DataError, SavingError

DATA = np.arange(60, dtype=np.uint8).reshape(20, 3)


@pytest.mark.parametrize(
    ("num_examples", "validation", "test", "sizes"),
    [
        (1965, 200, 200, (1565, 200, 200)),
        (1965, 0.1, 0.1, (1573, 196, 196)),
        (1965, 0, 0, (1965, 0, 0)),
        (10, 0.01, 0, (9, 1, 0)),
        (100, 0.0, 30, (70, 0, 30)),
        (4, 1, 1, (2, 1, 1)),
    ],
)
def test_parts_are_disjoint_and_complete(num_examples, validation, test, sizes):
    split = shuffled_split(num_examples, validation=validation, test=test, seed=3)
    assert tuple(split.sizes.values()) == sizes
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(num_examples))


def test_the_same_arguments_give_the_same_split_and_another_seed_another():
    first, again, other = (shuffled_split(500, seed=seed) for seed in (0, 0, 1))
    assert first.sha256() == again.sha256()
    assert first.sha256() != other.sha256()
    assert not np.array_equal(first.train, np.sort(first.train))


def test_a_split_is_the_same_on_every_machine():
    assert shuffled_split(1965, validation=200, test=200, seed=0).test[:5].tolist() == [1374, 980, 513, 1382, 1118]


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (
            10,
            10,
            r"data.validation=10 and data.test=10 take 10 and 10 of 20 examples, which leaves 0 to train on; expected at least 2",
        ),
        (0.5, 0.5, r"leaves 0 to train on"),
        (200, 200, r"take 200 and 200 of 20 examples, which leaves 0 to train on"),
        (0, 19, r"leaves 1 to train on"),
        (
            -1,
            0,
            r"data.validation is -1; expected a fraction such as 0.1 \(below 1\), a whole number of examples such as 200, or 0",
        ),
        (0.1, 1.5, r"data.test is 1.5; expected a fraction"),
        (float("nan"), 0, r"data.validation is nan; expected a fraction"),
    ],
)
def test_impossible_sizes_are_refused(validation, test, message):
    with pytest.raises(ConfigurationError, match=message):
        shuffled_split(20, validation=validation, test=test)


def test_a_split_as_given_keeps_the_order():
    split = consecutive_split(5, 2, 3)
    assert split.method == "as given"
    assert split.seed is None
    assert [part.tolist() for part in (split.train, split.validation, split.test)] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


@pytest.mark.parametrize("split", [shuffled_split(50, seed=7), consecutive_split(5, 0, 3)])
def test_a_split_survives_saving(split, tmp_path):
    split.save(tmp_path / "split.npz")
    loaded = Split.load(tmp_path / "split.npz")
    assert loaded.sha256() == split.sha256()
    assert (loaded.method, loaded.seed) == (split.method, split.seed)
    assert [path.name for path in tmp_path.iterdir()] == ["split.npz"]


def test_a_foreign_or_torn_split_is_refused(tmp_path):
    np.savez(tmp_path / "foreign.npz", rows=np.arange(3))
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    os.mkfifo(tmp_path / "pipe.npz")  # which would be waited for without an end
    for name in ("foreign.npz", "torn.npz", "missing.npz", "pipe.npz"):
        with pytest.raises(
            DataError, match=rf"{name} does not hold a split .*expected the arrays train, validation, test and seed"
        ):
            Split.load(tmp_path / name)


def test_a_split_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SavingError, match=r"could not save .*split.npz: .*A part of that path is a file; save to a path whose"):
        shuffled_split(10).save(tmp_path / "file" / "split.npz")


def test_the_fingerprint_of_data_sees_values_shape_and_type_but_not_memory_order():
    fingerprint = data_sha256(DATA)
    assert data_sha256(np.asfortranarray(DATA)) == fingerprint
    assert data_sha256(DATA.astype(">i4")) == data_sha256(DATA.astype("<i4"))
    changed = DATA.copy()
    changed[19, 2] += 1
    others = [changed, DATA.reshape(20, 3, 1), DATA.astype(np.int8), DATA[:19], DATA[::-1]]
    assert len({fingerprint, *map(data_sha256, others)}) == 6


def test_resuming_with_the_same_data_is_allowed_and_the_record_is_json():
    record = split_record(DATA, shuffled_split(20, seed=1))
    check_same_data(json.loads(json.dumps(record)), split_record(DATA.copy(), shuffled_split(20, seed=1)))


@pytest.mark.parametrize(
    ("data", "split", "message"),
    [
        (DATA[:18], shuffled_split(18, seed=1), r"the number of examples was 20 and is 18"),
        (DATA[:, :2], shuffled_split(20, seed=1), r"an example's shape was \[3\] and is \[2\]"),
        (DATA.astype(float), shuffled_split(20, seed=1), r"the type of the values was uint8 and is float64"),
        (DATA + 1, shuffled_split(20, seed=1), r"the shape is the same, but the values are not"),
        (DATA, shuffled_split(20, seed=2), r"the split's seed was 1 and is 2"),
        (DATA, shuffled_split(20, test=5, seed=1), r"the split's sizes was .* and is"),
        (DATA, consecutive_split(16, 2, 2), r"the kind of split was shuffled and is as given"),
    ],
)
def test_resuming_with_other_data_is_refused(data, split, message):
    saved = split_record(DATA, shuffled_split(20, seed=1))
    with pytest.raises(DataError, match=rf"not the data that the run began with: .*{message}.*Resume with the same data"):
        check_same_data(saved, split_record(data, split))
