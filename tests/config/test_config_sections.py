"""Every key is checked, and each refusal names the key, what it got and what it may be."""

import re
import subprocess
import sys

import numpy as np
import pytest

from lowerbound.config import SECTIONS, RunConfig, keys_of_section, load_toml
from lowerbound.config.catalogue import readers_of
from lowerbound.config.entry import KINDS
from lowerbound.config.layers import of_decoder, widths_of_decoder
from lowerbound.errors import ConfigurationError
from lowerbound.storage.atomic import write_text

KEYS = [(section, key) for section in SECTIONS for key in (*keys_of_section(section), *(["name"] if section in KINDS else []))]
POSITIVE = "expected an integer >= 1"
REFUSED = [
    ("data", "name", "", "data.name is '' (text); expected text that is not empty."),
    ("data", "key", 3, "data.key is 3 (an integer); expected text."),
    ("data", "image_size", 64, "data.image_size is 64 (an integer); expected text."),
    ("data", "background", 0, "data.background is 0 (an integer); expected text."),
    ("data", "validation", 1.5, "data.validation is 1.5 (a number); expected 0 (none), a fraction strictly between 0 and 1"),
    ("data", "validation", 1.0, "data.validation is 1.0 (a number)"),
    (
        "data",
        "validation",
        " ",
        "or a number of examples (an integer >= 1), or the name of a file, or of a column or a variable.",
    ),
    ("data", "test", "test.csv", "data.test is 'test.csv' (text); expected 0 (none)"),
    ("data", "binarize", "always", "Available: dynamic, fixed, no."),
    ("data", "test", -1, "data.test is -1 (an integer)"),
    ("data", "test", True, "data.test is True (a boolean)"),
    ("data", "missing", -999, "data.missing is -999 (an integer); expected text."),
    ("data", "schema", True, "data.schema is True (a boolean); expected text."),
    ("data", "query", 1, "data.query is 1 (an integer); expected text."),
    ("data", "labelled", -1, "data.labelled is -1 (an integer)"),
    ("data", "split_seed", -1, "data.split_seed is -1 (an integer); expected an integer from 0 to 4294967295."),
    ("data", "memory", "stream", "data.memory is 'stream', which does not exist. Did you mean 'streamed'?"),
    ("data", "scaling", "unitt", "data.scaling is 'unitt', which does not exist. Did you mean 'unit'?"),
    ("model", "latent_dim", 0, f"model.latent_dim is 0 (an integer); {POSITIVE}."),
    ("model", "latent_dim", 20.0, f"model.latent_dim is 20.0 (a number); {POSITIVE}."),
    ("model", "name", "single-layr", "model.name is 'single-layr', which does not exist. Did you mean 'single-layer'?"),
    ("model", "initial_std", 0, "model.initial_std is 0 (an integer); expected a number > 0."),
    ("prior", "name", 3, "prior.name is 3 (an integer); expected one of 'standard-normal', 'learned-gaussian'"),
    ("mask", "name", "at-randon", "mask.name is 'at-randon', which does not exist. Did you mean 'at-random'?"),
    ("mask", "direction", "up", "mask.direction is 'up', which does not exist. Available: any, large, small"),
    ("posterior", "name", "planer", "posterior.name is 'planer', which does not exist. Did you mean 'planar'?"),
    ("likelihood", "name", "gausian", "likelihood.name is 'gausian', which does not exist. Did you mean 'gaussian'?"),
    ("likelihood", "mean", "sigmoidal", "Did you mean 'sigmoid'? Available: free, sigmoid."),
    ("likelihood", "scale_floor", 0, "likelihood.scale_floor is 0 (an integer); expected 'auto' or a number > 0."),
    ("likelihood", "scale_floor", "half", "likelihood.scale_floor is 'half' (text); expected 'auto' or a number > 0."),
    ("network", "hidden_widths", 200, "network.hidden_widths is 200 (an integer); expected a list, each item an integer >= 1."),
    (
        "network",
        "decoder_widths",
        [0],
        "network.decoder_widths is [0] (a list); expected 'mirrored' or a list, each item an integer >= 1.",
    ),
    ("network", "hidden_widths", [200, 0], f"network.hidden_widths[1] is 0 (an integer); {POSITIVE}."),
    ("network", "activations", ["elu", "tahn"], "network.activations[1] is 'tahn', which does not exist. Did you mean 'tanh'?"),
    ("network", "activations", 3, "network.activations is 3 (an integer); expected one of 'elu', 'tanh'"),
    ("network", "dropout", 1, "network.dropout is 1 (an integer); expected a number >= 0 and < 1."),
    ("objective", "name", "elbow", "objective.name is 'elbow', which does not exist. Did you mean 'elbo'?"),
    ("objective", "num_samples", 0, f"objective.num_samples is 0 (an integer); {POSITIVE}."),
    ("objective", "beta", -0.5, "objective.beta is -0.5 (a number); expected a number >= 0."),
    ("objective", "beta", float("nan"), "objective.beta is nan (a number); expected a number >= 0."),
    ("objective", "beta", "4", "objective.beta is '4' (text); expected a number >= 0."),
    ("objective", "warmup_epochs", -1, "objective.warmup_epochs is -1 (an integer); expected an integer >= 0."),
    ("data", "condition", 3, "data.condition is 3 (an integer); expected text."),
    *[
        ("prior", key, 0, f"prior.{key} is 0 (an integer); {POSITIVE}.")
        for key in ("num_components", "num_layers", "hidden_width")
    ],
    ("prior", "num_bins", 1, "expected an integer >= 2"),
    *[
        ("posterior", key, 0, f"posterior.{key} is 0 (an integer); {POSITIVE}.")
        for key in ("rank", "num_flows", "num_directions", "num_reflections", "hidden_width", "context_dim")
    ],
    ("posterior", "num_bins", 1, "expected an integer >= 2"),
    ("posterior", "refinement_steps", -1, "expected an integer >= 0"),
    ("posterior", "refinement_rate", 0, "expected a number > 0"),
    ("likelihood", "scale", "form-z", "Did you mean 'from-z'?"),
    ("likelihood", "fixed_scale", 0, "expected a number > 0"),
    ("likelihood", "rank", 0, POSITIVE),
    ("likelihood", "num_components", 0, POSITIVE),
    ("likelihood", "reach", 9, "expected an integer from 1 to 8"),
    ("likelihood", "units", 0, POSITIVE),
    ("likelihood", "dispersion", "gene", "Available: from-z, per-element."),
    ("likelihood", "library_size", 1, "likelihood.library_size is 1 (an integer); expected true or false."),
    ("likelihood", "distribution", 3, "expected text"),
    ("network", "name", "rasnet", "Did you mean 'resnet'?"),
    ("network", "layer_norm", "yes", "expected true or false"),
    ("network", "residual", "yes", "expected true or false"),
    ("network", "initial_scale", 0, "network.initial_scale is 0 (an integer); expected 'fan-in' or a number > 0."),
    ("network", "output_bias", "mean", "Available: data, zero."),
    ("network", "channels", [0], POSITIVE),
    ("network", "blocks", 0, POSITIVE),
    ("objective", "num_groups", 0, POSITIVE),
    ("objective", "warmup", "cyclic", "Did you mean 'cyclical'?"),
    ("objective", "capacity_epochs", -1, "expected an integer >= 0"),
    ("objective", "gradient", "dregs", "Did you mean 'dreg'?"),
    ("objective", "alpha", "one", "objective.alpha is 'one' (text); expected a number."),
    ("objective", "elbo_weight", 1.5, "objective.elbo_weight is 1.5 (a number); expected a number >= 0 and <= 1."),
    ("objective", "kernel", "rfb", "Did you mean 'rbf'?"),
    ("objective", "num_leapfrog", 0, POSITIVE),
    ("objective", "classification_weight", -1.0, "objective.classification_weight is -1.0 (a number)"),
    ("objective", "labelled_batch", 0, POSITIVE),
    ("objective", "labelled_weight", "none", "objective.labelled_weight is 'none' (text)"),
    ("objective", "labelled_epochs", -1, "objective.labelled_epochs is -1"),
    ("objective", "acceptance", 1.0, "objective.acceptance is 1.0 (a number); expected a number > 0 and < 1."),
    *[
        ("objective", key, -1, f"objective.{key} is -1 (an integer); expected a number >= 0.")
        for key in (
            *("free_nats", "capacity_nats", "gamma", "off_diagonal_weight", "diagonal_weight", "mmd_weight"),
            *("noise", "sparsity_weight", "latent_weight", "decoder_weight"),
        )
    ],
    ("training", "epochs", 0, f"training.epochs is 0 (an integer); {POSITIVE}."),
    ("training", "epochs", True, f"training.epochs is True (a boolean); {POSITIVE}."),
    ("training", "batch_size", [1], f"training.batch_size is [1] (a list); {POSITIVE}."),
    ("training", "optimizer", "adamm", "Did you mean 'adam'? Available: adagrad, adam, adamax, adamw."),
    ("training", "learning_rate", 0, "training.learning_rate is 0 (an integer); expected a number > 0 and <= 1000."),
    ("training", "learning_rate", float("inf"), "training.learning_rate is inf (a number); expected a number > 0 and <= 1000."),
    ("training", "learning_rate_schedule", "cos", "Available: constant, cosine."),
    ("training", "learning_rate_warmup_epochs", -1, "expected an integer >= 0"),
    ("training", "weight_decay", -1.0, "training.weight_decay is -1.0 (a number); expected a number >= 0."),
    ("training", "weight_prior", -1.0, "training.weight_prior is -1.0 (a number); expected a number >= 0."),
    ("training", "adagrad_start", "zero", "training.adagrad_start is 'zero' (text); expected a number >= 0."),
    ("training", "gradient_clip", None, "training.gradient_clip is None (a NoneType); expected a number >= 0."),
    ("training", "hide_elements", 1.0, "training.hide_elements is 1.0 (a number); expected a number >= 0 and < 1."),
    ("training", "ema_decay", 1.0, "training.ema_decay is 1.0 (a number); expected a number >= 0 and < 1."),
    ("training", "early_stopping_patience", 0.5, "expected an integer >= 0"),
    ("training", "validate_every", -1, "expected an integer >= 0"),
    ("training", "checkpoint_every_seconds", -1, "expected a number >= 0"),
    ("training", "images_every", "auto", "expected an integer >= 0"),
    ("data", "kind", "image", "Available: auto, pictures, rows, series."),
    ("training", "skip_spikes", 1, "training.skip_spikes is 1 (an integer); expected true or false."),
    ("training", "seed", 2**32, "expected an integer from 0 to 4294967295"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), REFUSED)
def test_a_wrong_value_is_refused_by_name(section, key, value, message):
    part = {"name": readers_of(section, key)[0]} if section in KINDS and key != "name" else {}
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        RunConfig.from_dict({section: {**part, key: value}})
    assert f"{section}.{key}" in str(caught.value)


def test_every_key_has_a_refusal_above():
    covered = {(section, key) for section, key, _, _ in REFUSED}
    assert set(KEYS) - covered == set()


@pytest.mark.parametrize("section", ["data", "training"])
def test_every_key_is_explained_and_its_default_obeys_its_rule(section):
    for name, key in keys_of_section(section).items():
        assert len(key.help) > 10
        assert key.rule.convert(f"{section}.{name}", key.default) == key.default


def test_values_become_plain():
    config = RunConfig.from_dict(
        {
            "data": {"validation": np.float64(0.25), "test": np.int64(30)},
            "model": {"latent_dim": np.int32(7)},
            "network": {"hidden_widths": [500, 300], "activations": ["elu", "tanh"]},
            "objective": {"beta": 4},
        }
    )
    assert config.network.hidden_widths == (500, 300)
    assert config.network.activations == ("elu", "tanh")
    assert type(config.objective.beta) is float
    assert type(config.model.latent_dim) is int
    assert type(config.data.validation) is float
    assert type(config.data.test) is int
    assert hash(config) == hash(RunConfig.from_dict(config.to_dict()))


def test_zero_is_no_validation_data_however_it_is_written():
    assert RunConfig.from_dict({"data": {"validation": 0.0}}) == RunConfig.from_dict({"data": {"validation": 0}})
    # One example is not the same as all of them.
    assert RunConfig.from_dict({"data": {"validation": 1}}).data.validation == 1


def test_the_decoder_is_the_encoder_in_the_other_direction_unless_its_widths_are_given():
    mirrored = RunConfig.from_dict({"network": {"hidden_widths": [5, 4, 3]}}).network
    assert widths_of_decoder(mirrored.values) == (3, 4, 5)
    own = RunConfig.from_dict({"network": {"hidden_widths": [5], "decoder_widths": []}}).network
    assert (own.hidden_widths, of_decoder(own).hidden_widths) == ((5,), ())
    # A list of activations is not turned round: it goes from a network's input to its output.
    named = own.replaced(hidden_widths=(5, 4), decoder_widths=(4, 5), activations=("elu", "tanh"))
    assert of_decoder(named).activations == ("elu", "tanh")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": {"hidden_widths": [200], "activations": ["elu", "tanh"]}},
            "network.activations is ['elu', 'tanh'] (2 names) but network.hidden_widths is [200] (1 layers)",
        ),
        (
            {"network": {"decoder_widths": [200], "activations": ["elu", "tanh"]}},
            "network.activations is ['elu', 'tanh'] (2 names) but network.decoder_widths is [200] (1 layers)",
        ),
        (
            {"network": {"name": "conv", "decoder_widths": [100]}},
            "network.decoder_widths is [100], but network.name is 'conv', which does not read it",
        ),
        (
            {"data": {"validation": 0.5, "test": 0.5}},
            "data.validation + data.test is 0.5 + 0.5, which leaves nothing to train on",
        ),
        ({"training": {"weight_decay": 0.01}}, "set training.optimizer=adamw, or training.weight_decay=0."),
        (
            {"training": {"adagrad_start": 0.0}},
            "training.adagrad_start is 0 but training.optimizer is 'adam', which has no such sums; set "
            "training.optimizer=adagrad, or training.adagrad_start=0.1.",
        ),
        (
            {"data": {"validation": 0}, "training": {"early_stopping_patience": 5}},
            "training.early_stopping_patience is 5 but data.validation is 0, so there is no validation bound to stop on",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        RunConfig.from_dict(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainng": {"epochs": 3}}, "configuration section is 'trainng', which does not exist. Did you mean 'training'?"),
        (
            {"training": {"epoch": 3}},
            "configuration key of section [training] is 'epoch', which does not exist. Did you mean 'epochs'?",
        ),
        ({"model": {"beta": 3}}, "configuration key model.beta does not exist. Did you mean objective.beta?"),
        ({"model": {"widths": 3}}, "Elsewhere there is network.hidden_widths."),
        ({"beta": 4}, "configuration key 'beta' is in no section. Did you mean objective.beta?"),
        ({"zzz": 4}, "configuration key 'zzz' is in no section. A key is written section.key"),
        ({"training": 3}, "training is 3; expected a section, with keys among epochs, batch_size"),
    ],
)
def test_an_unknown_name_gets_the_nearest_right_one(changes, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        RunConfig.from_dict(changes)


def test_toml_round_trip(tmp_path):
    config = RunConfig.from_dict(
        {
            "data": {"name": 'a "b" ü.npy', "test": 200, "validation": 0.1 + 0.2},
            "network": {"activations": ["elu", "silu"], "dropout": 0.1},
            "likelihood": {"scale_floor": 1 / 3},
        }
    )
    write_text(tmp_path / "config.toml", config.to_toml())
    assert RunConfig.from_dict(load_toml(tmp_path / "config.toml")) == config
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"epochs = = 3", "is not a TOML file: Invalid value"), (b"\xff\xfe\x00", "is not a TOML file: 'utf-8' codec")],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path, content, message):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=re.escape(f"{path} {message}")):
        load_toml(path)


def test_missing_and_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no configuration file .*none\.toml"):
        load_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="is a folder; expected a TOML file"):
        load_toml(tmp_path)


def test_configuration_and_recipes_import_no_jax_and_sections_check_themselves():
    # A section built directly is checked too; here run-time type checking would come first, so a plain interpreter is asked.
    program = """
import sys
from lowerbound.config import PartConfig
from lowerbound.errors import ConfigurationError
from lowerbound.recipes import list_recipes
list_recipes()
assert PartConfig("objective", "elbo", {"beta": 4}).beta == 4.0
assert PartConfig("network", values={"hidden_widths": [3, 4]}).hidden_widths == (3, 4)
try:
    PartConfig("objective", values={"num_samples": 0})
except ConfigurationError as error:
    print(error)
print([name for name in ("jax", "numpy", "equinox", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["objective.num_samples is 0 (an integer); expected an integer >= 1.", "[]"]
