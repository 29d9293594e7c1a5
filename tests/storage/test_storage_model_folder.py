"""A model's folder gives back every bit, and refuses whatever is not whole, not ours, or not for this model."""

import hashlib
import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from support_storage import CONFIG, SPEC, assert_same_bits, blank, every_dtype, flip, truncate

from lowerbound.errors import ConfigurationError, ModelFolderError
from lowerbound.runs.model_folder import load_arrays_into, read_config, save_model_folder
from lowerbound.storage.arrays import arrays_from_bytes
from lowerbound.storage.documents import document_bytes
from lowerbound.storage.upgrades import CURRENT, MODEL


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    save_model_folder(path, CONFIG, SPEC, network(0))
    return path


def network(seed, width=4):
    return eqx.nn.MLP(3, 2, width, 2, key=jax.random.key(seed))


def refusal(path, like=None):
    """The message with which the folder is refused, by whichever of the two readers comes upon the fault."""
    with pytest.raises(ModelFolderError) as caught:
        _read_both(path, network(1) if like is None else like)
    return str(caught.value)


def _read_both(path, like):
    read_config(path)
    load_arrays_into(path, like)


def test_every_bit_of_every_kind_of_leaf_returns(tmp_path):
    tree = every_dtype()
    save_model_folder(tmp_path / "model", CONFIG, SPEC, tree)
    assert_same_bits(load_arrays_into(tmp_path / "model", blank(tree)), tree)


def test_the_comparison_of_bits_would_notice():
    tree = every_dtype()
    with pytest.raises(AssertionError):
        assert_same_bits(blank(tree), tree)


def test_a_network_is_filled_and_computes_the_same(folder):
    x = jnp.arange(3.0)
    filled = load_arrays_into(folder, network(1))
    assert network(1)(x).tobytes() != network(0)(x).tobytes()
    assert filled(x).tobytes() == network(0)(x).tobytes()
    assert filled.activation is network(1).activation
    # What is loaded owns its memory: giving it away to a compiled step is safe, twice.
    step = eqx.filter_jit(lambda m: jax.tree.map(lambda leaf: leaf + 1 if eqx.is_array(leaf) else leaf, m), donate="all")
    step(filled)
    assert load_arrays_into(folder, network(1))(x).tobytes() == network(0)(x).tobytes()


def test_a_shape_alone_is_enough_to_fill(folder):
    like = eqx.filter_eval_shape(network, 1)
    assert_same_bits(eqx.filter(load_arrays_into(folder, like), eqx.is_array), eqx.filter(network(0), eqx.is_array))


def test_big_endian_numbers_keep_their_values(tmp_path):
    save_model_folder(tmp_path / "model", CONFIG, SPEC, {"a": np.array([1.5, 2.5], ">f8")})
    got = load_arrays_into(tmp_path / "model", {"a": np.zeros(2, ">f8")})["a"]
    np.testing.assert_array_equal(got, [1.5, 2.5])


def test_configuration_and_description_return(folder):
    config, spec = read_config(folder)
    assert config == CONFIG
    assert spec == SPEC


def test_the_folder_is_two_files_and_states_its_checksum(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights.safetensors"]
    document = json.loads((folder / "config.json").read_text())
    assert document["format"] == "lowerbound-model"
    assert document["format_version"] == CURRENT[MODEL]
    assert document["weights_sha256"] == hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_saving_again_replaces_the_whole_folder_and_nothing_from_elsewhere(folder):
    (folder / "stray.txt").write_text("from elsewhere")
    with pytest.raises(ConfigurationError, match=r"other files than a saved model's \(stray.txt\), and saving would replace it"):
        save_model_folder(folder, CONFIG, SPEC, network(5))
    (folder / "stray.txt").unlink()
    save_model_folder(folder, CONFIG, SPEC, network(5))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert_same_bits(eqx.filter(load_arrays_into(folder, network(1)), eqx.is_array), eqx.filter(network(5), eqx.is_array))


def test_missing_things_are_named(tmp_path, folder):
    assert "none does not exist; expected a folder with config.json and weights.safetensors" in refusal(tmp_path / "none")
    assert "config.json is a file; expected a folder" in refusal(folder / "config.json")
    (folder / "weights.safetensors").unlink()
    assert "model has no weights.safetensors: it was not wholly saved or copied" in refusal(folder)
    assert "Files there: config.json." in refusal(folder)
    (folder / "config.json").unlink()
    assert "model has no config.json" in refusal(folder)
    assert "Files there: none." in refusal(folder)


def test_an_unreadable_file_is_named(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    assert "config.json is a folder; expected a file of a saved model or run." in refusal(folder)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_torn_weights_are_refused(folder, fraction):
    weights = folder / "weights.safetensors"
    size = weights.stat().st_size
    truncate(weights, int(fraction * size))
    message = f"is torn or changed: it has {int(fraction * size)} bytes, {size} were written."
    assert message in refusal(folder)
    assert read_config(folder)[0] == CONFIG


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_torn_configuration_is_refused(folder, fraction):
    truncate(folder / "config.json", int(fraction * (folder / "config.json").stat().st_size) - (fraction > 0.9) * 2)
    assert re.search("config.json is not readable JSON .*: it is torn, damaged, or not one of ours", refusal(folder))


def _is_same_document(path, content):
    try:
        return json.loads(path.read_bytes()) == json.loads(content)
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_flipped_bit_anywhere_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    for offset in range(0, len(whole), 5):
        flip(folder / name, offset)
        # The last of a number's 17 digits may be another text of the same number.
        if not _is_same_document(folder / name, whole):
            refusal(folder)
        (folder / name).write_bytes(whole)
    assert read_config(folder)[1] == SPEC


def test_a_damaged_byte_is_told_from_a_missing_one(folder):
    flip(folder / "weights.safetensors", -1)
    assert re.search(r"weights\.safetensors is damaged: its SHA-256 is \w{64}, expected \w{64}\.", refusal(folder))


def test_an_edited_configuration_is_refused(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"latent_dim": 3', '"latent_dim": 4'))
    assert "config.json is damaged or was edited: its checksum is not the one of its content." in refusal(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model_name": "VAE", "latent_dim": 16}', "is not one of ours: its format is None; expected 'lowerbound-model'."),
        ("[1, 2]", "is not one of ours: it holds a list; expected an object with fields."),
        ('{"format": "lowerbound-model"}', f"has the format version None; expected an integer from 1 to {CURRENT[MODEL]}."),
        ("\x80\x04\x95", "is not readable JSON"),
    ],
)
def test_a_foreign_file_is_refused(folder, content, message):
    (folder / "config.json").write_text(content)
    assert message in refusal(folder)


def test_a_document_without_a_description_is_refused(folder):
    fields = {"config": {}, "data_spec": {"kind": "sound"}, "weights_bytes": 0, "weights_sha256": ""}
    (folder / "config.json").write_bytes(document_bytes("lowerbound-model", fields))
    assert "config.json: the field data_spec.event_shape is missing; expected a list." in refusal(folder)


def test_a_newer_format_asks_for_an_upgrade(folder):
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**document, "format_version": CURRENT[MODEL] + 1, "package_version": "9.1.0"})
    )
    message = refusal(folder)
    assert f"was made by a newer lowerbound (9.1.0): its format version is {CURRENT[MODEL] + 1}, and lowerbound" in message
    assert f"reads up to {CURRENT[MODEL]}. Upgrade with: pip install --upgrade lowerbound" in message


def test_a_leaf_of_another_shape_is_named_with_both_shapes(folder):
    expected = "'layers.0.weight' has shape (4, 3) and dtype float32; the model built from its configuration has shape (6, 3) and"
    assert expected in refusal(folder, network(1, width=6))


def test_a_leaf_of_another_dtype_is_named(tmp_path):
    save_model_folder(tmp_path / "model", CONFIG, SPEC, {"a": np.zeros(2, np.float32)})
    message = refusal(tmp_path / "model", {"a": np.zeros(2, np.int32)})
    assert (
        "'a' has shape (2,) and dtype float32; the model built from its configuration has shape (2,) and dtype int32." in message
    )


def test_leaves_too_many_and_too_few_are_named(tmp_path):
    save_model_folder(tmp_path / "model", CONFIG, SPEC, {"a": np.zeros(2), "b": np.zeros(2)})
    message = refusal(tmp_path / "model", {"b": np.zeros(2), "c": {"d": np.zeros(2)}})
    assert "it lacks 'c.d' and has 'a' which the model lacks." in message


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (jax.random.key(0), "leaf 'a.0' is a PRNGKeyArray of dtype key<fry>, which cannot be stored; expected an array."),
        (np.array(["text"]), "leaf 'a.0' has the dtype <U4, which cannot be stored; expected one of bfloat16, bool,"),
        (np.array([{}], dtype=object), "leaf 'a.0' has the dtype object, which cannot be stored"),
        (np.zeros(2, np.complex64), "leaf 'a.0' has the dtype complex64, which cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(folder, leaf, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        save_model_folder(folder, CONFIG, SPEC, {"a": [leaf]})
    assert load_arrays_into(folder, network(1)) is not None


def test_two_leaves_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"two leaves of the tree are both named 'a\.b'"):
        save_model_folder(tmp_path / "model", CONFIG, SPEC, {"a.b": np.zeros(1), "a": {"b": np.zeros(1)}})


def test_numpy_numbers_in_a_configuration_become_plain(tmp_path):
    save_model_folder(tmp_path / "model", {"a": {"b": np.float32(0.5), "c": np.arange(3)}}, SPEC, np.zeros(3))
    assert read_config(tmp_path / "model")[0]["a"] == {"b": 0.5, "c": [0, 1, 2]}
    with pytest.raises(TypeError, match="object cannot be stored in a document"):
        save_model_folder(tmp_path / "model", {"a": object()}, SPEC, np.zeros(3))
    assert_same_bits(load_arrays_into(tmp_path / "model", np.ones(3)), np.zeros(3))


def test_a_file_that_is_no_safetensors_is_refused_whatever_its_checksum():
    message = re.escape("w.safetensors is not a readable safetensors file (")
    for content in (b"", b"\x00" * 50, b"\xff" * 50, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"):
        with pytest.raises(ModelFolderError, match=message):
            arrays_from_bytes(content, np.zeros(3), Path("w.safetensors"))
    foreign = safetensors.numpy.save({"array": np.zeros(3, np.complex64)})
    with pytest.raises(ModelFolderError, match=r"w\.safetensors: 'array' has the dtype C64; expected one of BOOL, U8,"):
        arrays_from_bytes(foreign, np.zeros(3), Path("w.safetensors"))


def test_a_long_list_of_leaves_is_cut(tmp_path):
    save_model_folder(tmp_path / "model", CONFIG, SPEC, {})
    message = refusal(tmp_path / "model", [np.zeros(1)] * 7)
    assert "it lacks '0', '1', '2', '3', '4' and 2 more and has nothing which the model lacks." in message
