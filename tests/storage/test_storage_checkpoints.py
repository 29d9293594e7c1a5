"""A stopped run goes on bit for bit, from the newest checkpoint that is whole."""

import itertools
import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from support_storage import CONFIG, SPEC, assert_same_bits, blank, every_dtype, flip, truncate

from lowerbound.errors import ModelFolderError
from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into, save_checkpoint
from lowerbound.runs.model_folder import load_arrays_into, read_config

FILES = ("checkpoint.json", "config.json", "state.safetensors", "weights.safetensors")
OPTIMIZER = optax.adam(0.1)


def save(folder, step, value=0.0, **options):
    arrays = {"weight": jnp.full(5, value, jnp.float32)}
    return save_checkpoint(folder, step, CONFIG, SPEC, arrays, {"ema": arrays}, {"epoch": step}, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@eqx.filter_jit
def train_step(network, state, step):
    """One step of a run whose randomness is derived from (seed, step)."""
    x = jax.random.normal(jax.random.fold_in(jax.random.key(0), step), (8, 3))
    gradients = eqx.filter_grad(lambda net: jnp.mean(jax.vmap(net)(x) ** 2))(network)
    # Optax divides by 1 - b ** count, a float and an integer, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        updates, state = OPTIMIZER.update(gradients, state)
    return eqx.apply_updates(network, updates), state


def fresh():
    network = eqx.nn.MLP(3, 2, 4, 2, key=jax.random.key(0))
    return network, OPTIMIZER.init(eqx.filter(network, eqx.is_array))


def run(network, state, steps):
    for step in steps:
        network, state = train_step(network, state, jnp.array(step))
    return network, state


def test_a_resumed_run_is_bit_identical_to_one_that_never_stopped(tmp_path):
    never_stopped = run(*fresh(), range(20))
    save_checkpoint(tmp_path, 10, CONFIG, SPEC, *run(*fresh(), range(10)), {"epoch": 10})
    found = latest_checkpoint(tmp_path)
    assert found is not None
    resumed = run(*load_checkpoint_into(found.path, *fresh()), range(found.step, 20))
    assert_same_bits(eqx.filter(resumed, eqx.is_array), eqx.filter(never_stopped, eqx.is_array))
    # The control: with the optimiser's state forgotten, the run is another one.
    forgetful = run(load_checkpoint_into(found.path, *fresh())[0], fresh()[1], range(found.step, 20))
    with pytest.raises(AssertionError):
        assert_same_bits(eqx.filter(forgetful, eqx.is_array), eqx.filter(never_stopped, eqx.is_array))


def test_every_bit_of_every_kind_of_leaf_returns(tmp_path):
    tree = every_dtype()
    path = save_checkpoint(
        tmp_path, 3, CONFIG, SPEC, tree["jax"], tree, {"epoch": 3, "best_bound_nats": 0.1 + 0.2, "names": ["a"]}
    )
    model, state = load_checkpoint_into(path, blank(tree["jax"]), blank(tree))
    assert_same_bits(model, tree["jax"])
    assert_same_bits(state, tree)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.config, found.spec, found.refused) == (3, CONFIG, SPEC, ())
    assert found.counters == {"epoch": 3, "best_bound_nats": 0.1 + 0.2, "names": ["a"]}


def test_a_checkpoint_is_a_models_folder(tmp_path):
    path = save(tmp_path, 1234, 2.5)
    assert path == tmp_path / "step-00001234"
    assert names(path) == list(FILES)
    assert read_config(path) == (CONFIG, SPEC)
    assert load_arrays_into(path, {"weight": jnp.zeros(5)})["weight"].tolist() == [2.5] * 5


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 100, 20_000, 300_000_000):
        save(tmp_path, step)
    assert names(tmp_path) == ["step-00020000", "step-300000000"]
    save(tmp_path, 300_000_001, keep=3)
    assert names(tmp_path) == ["step-00020000", "step-300000000", "step-300000001"]
    save(tmp_path, 300_000_002, keep=1)
    assert names(tmp_path) == ["step-300000002"]


def test_a_step_saved_twice_is_replaced(tmp_path):
    save(tmp_path, 5, 1.0)
    path = save(tmp_path, 5, 2.0)
    assert names(tmp_path) == ["step-00000005"]
    assert load_arrays_into(path, {"weight": jnp.zeros(5)})["weight"].tolist() == [2.0] * 5


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "step-one").mkdir()
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert names(tmp_path) == ["notes.txt", "step-00000002", "step-00000003", "step-one"]


def test_no_checkpoint_is_none_and_not_an_error(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize(("name", "fraction"), list(itertools.product(FILES, [0.0, 0.2, 0.6, 0.99])))
def test_a_torn_checkpoint_is_passed_over_with_its_reason(tmp_path, name, fraction):
    save(tmp_path, 1, 1.0)
    torn = save(tmp_path, 2, 2.0) / name
    truncate(torn, int(fraction * torn.stat().st_size))
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert len(found.refused) == 1
    assert re.search(rf"checkpoint step-00000002 was refused: .*{name} is (torn or changed|not readable JSON)", found.refused[0])


def _says_the_same(damaged: bytes, whole: bytes) -> bool:
    """The last digit of 0.30000000000000004 may be 5 as well: it is the same number."""
    try:
        return json.loads(damaged) == json.loads(whole)
    except ValueError:
        return False


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_refused(tmp_path, name):
    save(tmp_path, 1)
    damaged = save(tmp_path, 2) / name
    whole = damaged.read_bytes()
    for offset in range(0, len(whole), 11):
        flip(damaged, offset)
        if _says_the_same(damaged.read_bytes(), whole):
            continue
        found = latest_checkpoint(tmp_path)
        assert found is not None
        assert found.step == 1
        damaged.write_bytes(whole)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 2


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(tmp_path, name):
    save(tmp_path, 1)
    (save(tmp_path, 2) / name).unlink()
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert f"step-00000002 has no {name}" in found.refused[0]


def test_when_none_can_be_used_every_reason_is_told(tmp_path):
    truncate(save(tmp_path, 1) / "config.json", 10)
    truncate(save(tmp_path, 2) / "state.safetensors", 10)
    message = r"no checkpoint can be used\.\n.*step-00000002 was refused: .*state.*\n.*step-00000001 was refused: .*config.json"
    with pytest.raises(ModelFolderError, match=message):
        latest_checkpoint(tmp_path)


def test_a_refused_later_checkpoint_does_not_push_out_good_ones(tmp_path):
    save(tmp_path, 1)
    truncate(save(tmp_path, 9) / "config.json", 10)
    for step in (2, 3):
        save(tmp_path, step)
    assert names(tmp_path) == ["step-00000002", "step-00000003"]
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.refused) == (3, ())


def test_a_state_that_does_not_fit_is_named(tmp_path):
    path = save(tmp_path, 1)
    message = r"state\.safetensors: 'ema\.weight' has shape \(5,\) and dtype float32; .* has shape \(6,\) and dtype float32"
    with pytest.raises(ModelFolderError, match=message):
        load_checkpoint_into(path, {"weight": jnp.zeros(5)}, {"ema": {"weight": jnp.zeros(6)}})


def test_a_folder_left_half_replaced_is_brought_back(tmp_path):
    # What a kill between the two renames of a replacement leaves: the old folder under its other name.
    path = save(tmp_path, 7, 1.0)
    path.rename(tmp_path / ".step-00000007.previous-99999999-0")
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.path == path
    assert names(tmp_path) == ["step-00000007"]
