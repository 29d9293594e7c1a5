"""What release 0.1.0 wrote is read as it was meant then."""

import re
from pathlib import Path

import pytest
import tomli_w

from lowerbound.config import RunConfig, load_toml
from lowerbound.errors import ConfigurationError
from lowerbound.recipes import load_recipe, resolve_config
from lowerbound.storage.upgrades import upgraded_config

# The objective's section of every file of 0.1.0: the keys of all objectives, at one default for all.
OBJECTIVE = {
    **{"num_samples": 1, "num_groups": 1, "beta": 1.0, "warmup_epochs": 0, "warmup": "linear", "free_nats": 0.0},
    **{"capacity_nats": 0.0, "capacity_epochs": 0, "gradient": "plain", "elbo_weight": 0.5, "alpha": 1.0, "gamma": 1.0},
    **{"off_diagonal_weight": 10.0, "diagonal_weight": 5.0, "mmd_weight": 10.0, "kernel": "imq", "noise": 0.1},
    **{"sparsity_weight": 0.01, "latent_weight": 1.0, "decoder_weight": 1e-4},
}
FIRST_LINE = "# The configuration of one run of lowerbound 0.1.0.\n\n"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("iwae", {"num_samples": 1, "gradient": "plain"}),
        ("renyi", {"num_samples": 1, "alpha": 1.0}),
        ("beta-tc", {"num_samples": 1, "alpha": 1.0, "beta": 1.0, "gamma": 1.0}),
        ("autoencoder", {}),
    ],
)
def test_keys_that_a_part_never_read_are_dropped_and_missing_ones_take_the_default_of_then(name, kept):
    for section in ({"name": name, **OBJECTIVE}, {"name": name}):
        upgraded = upgraded_config({"objective": section}, "0.1.0")
        assert upgraded["objective"] == {"name": name, **kept}
        assert RunConfig.from_dict(upgraded).objective.values == kept


def test_what_it_says_is_kept_and_what_nobody_knew_is_refused():
    section = {"name": "miwae", **OBJECTIVE, "num_samples": 8}
    assert RunConfig.from_dict(upgraded_config({"objective": section}, "0.1.0")).objective.num_samples == 8
    with pytest.raises(ConfigurationError, match=r"configuration key of section \[objective\] is 'nois'"):
        RunConfig.from_dict(upgraded_config({"objective": {**section, "nois": 0.1}}, "0.1.0"))
    # This release refuses a key that the part does not have.
    assert upgraded_config({"objective": section}, "0.2.0") == {"objective": section}


def test_the_first_line_of_a_run_s_configuration_says_who_wrote_it(tmp_path: Path):
    text = tomli_w.dumps({"objective": {"name": "iwae", **OBJECTIVE}})
    old, own = tmp_path / "config.toml", tmp_path / "own.toml"
    old.write_text(FIRST_LINE + text)
    own.write_text(text)
    assert load_recipe(old).run_config().objective.values == {"num_samples": 1, "gradient": "plain"}
    assert resolve_config(recipe=old, overrides=["objective.num_samples=7"])[0].objective.num_samples == 7
    with pytest.raises(ConfigurationError, match=re.escape("objective.num_groups is 1, but objective.name is 'iwae', which")):
        load_recipe(own).run_config()


def test_what_is_written_now_is_not_changed_by_reading_it(tmp_path: Path):
    config = RunConfig.from_dict({"objective": {"name": "iwae"}, "network": {"name": "conv"}})
    (tmp_path / "config.toml").write_text(config.to_toml())
    assert RunConfig.from_dict(load_toml(tmp_path / "config.toml")) == config
