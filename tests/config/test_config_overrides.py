"""`--set section.key=value` reads what people type in a shell."""

import re

import pytest

from lowerbound.config import RunConfig, parse_overrides
from lowerbound.errors import ConfigurationError


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("objective.beta=4", "objective", "beta", 4.0),
        ("training.learning_rate=1e-4", "training", "learning_rate", 1e-4),
        ("training.epochs = 1_000", "training", "epochs", 1000),
        ("training.optimizer=adamw", "training", "optimizer", "adamw"),
        ('training.optimizer="adamw"', "training", "optimizer", "adamw"),
        ("likelihood.name=discretized-logistic", "likelihood", "name", "discretized-logistic"),
        ("likelihood.scale_floor=0.5", "likelihood", "scale_floor", 0.5),
        ("network.hidden_widths=[500,500]", "network", "hidden_widths", (500, 500)),
        ("network.hidden_widths=[]", "network", "hidden_widths", ()),
        ("network.activations=[elu,tanh]", "network", "activations", ("elu", "tanh")),
        ("network.activations=['elu','tanh']", "network", "activations", ("elu", "tanh")),
        ("data.name=/data/my faces=2.npy", "data", "name", "/data/my faces=2.npy"),
        ("data.name=1234", "data", "name", "1234"),
        ("data.name=2018-01-01", "data", "name", "2018-01-01"),
        ("data.key=", "data", "key", ""),
        ("data.validation=200", "data", "validation", 200),
        ("data.validation=0.2", "data", "validation", 0.2),
    ],
)
def test_values_are_read_as_a_person_means_them(override, section, key, value):
    got = getattr(getattr(RunConfig().updated(parse_overrides([override])), section), key)
    assert got == value
    assert type(got) is type(value)


def test_nothing_else_changes_and_the_last_one_wins():
    config = RunConfig().updated(parse_overrides(["training.epochs=3", "objective.beta=4", "training.epochs=5"]))
    assert config.to_dict() == RunConfig().updated({"training": {"epochs": 5}, "objective": {"beta": 4.0}}).to_dict()
    assert config.updated(parse_overrides([])) == config


def test_overrides_are_checked_together():
    # Either one alone would contradict the other key.
    config = RunConfig.from_dict({"network": {"hidden_widths": [200, 200], "activations": ["elu", "tanh"]}})
    changed = config.updated(parse_overrides(["network.hidden_widths=[300]", "network.activations=[relu]"]))
    assert changed.network.hidden_widths == (300,)
    with pytest.raises(ConfigurationError, match="expected one name for each hidden layer"):
        config.updated(parse_overrides(["network.hidden_widths=[300]"]))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "override 'training.epochs' has no '='; expected section.key=value, for example objective.beta=4."),
        ("beta=4", "configuration key 'beta' is in no section. Did you mean objective.beta?"),
        ("epoch=4", "Did you mean training.epochs?"),
        ("training=3", "training is '3'; expected a section"),
        (
            "trainng.epochs=3",
            "configuration section of override 'trainng.epochs=3' is 'trainng', which does not exist. Did you mean 'training'?",
        ),
        ("training.learning_rat=3", "Did you mean 'learning_rate'?"),
        ("training.=3", "configuration key of section [training] is '', which does not exist."),
        ("network.hidden_widths=[500", "network.hidden_widths is '[500', which is not a TOML value"),
        ('data.name="x', "data.name is '\"x', which is not a TOML value"),
        ("training.epochs=1e3", "training.epochs is 1000.0 (a number); expected an integer >= 1."),
        ("training.epochs=true", "training.epochs is True (a boolean); expected an integer >= 1."),
        ("training.epochs=ten", "training.epochs is 'ten' (text); expected an integer >= 1."),
        ("training.epochs=3\nseed=4", "training.epochs is '3\\nseed=4' (text); expected an integer >= 1."),
    ],
)
def test_a_wrong_override_is_refused(override, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        RunConfig().updated(parse_overrides([override]))


def test_bare_words_in_lists_leave_numbers_and_constants_alone():
    assert parse_overrides(["network.activations=[elu, 3, 1e-3, true, silu-2]"]) == {
        "network": {"activations": ["elu", 3, 1e-3, True, "silu-2"]}
    }
