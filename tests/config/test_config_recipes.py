"""Recipes resolve, cite their papers, and a person's own file stands on equal terms."""

import re
from pathlib import Path

import pytest

from lowerbound.config import RunConfig
from lowerbound.errors import ConfigurationError
from lowerbound.recipes import default_recipe_for, list_recipes, load_recipe, recipe_names, resolve_config
from lowerbound.storage.atomic import write_text


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_a_whole_configuration_with_its_source(name):
    recipe = load_recipe(name)
    assert isinstance(recipe.run_config(), RunConfig)
    assert recipe.info.title
    assert recipe.info.summary.endswith(".")
    assert recipe.info.data
    assert recipe.info.expected_time
    assert {"authors", "title", "year"} <= set(recipe.info.reference)
    assert bool(recipe.info.published) == bool(recipe.info.published_source)


def test_the_presets_are_known_by_name():
    assert {"default", "demo", "faces", "frey-faces", "frey-faces-discretized", "post-2018"} <= set(recipe_names())
    assert [recipe.name for recipe in list_recipes()] == recipe_names()


def test_no_two_recipes_claim_one_data_set():
    claims = [data for recipe in list_recipes() for data in recipe.info.default_for]
    assert len(set(claims)) == len(claims)


def test_post_2018_has_the_posts_figures():
    config = load_recipe("post-2018").run_config()
    assert config.data.name == "frey-faces"
    assert (config.data.validation, config.data.test) == (0, 0)
    assert config.model.latent_dim == 20
    assert config.network.hidden_widths == (200, 200)
    assert config.network.activations == ("elu", "tanh")
    assert (config.likelihood.name, config.likelihood.mean) == ("gaussian", "free")
    assert (config.objective.name, config.objective.num_samples, config.objective.beta) == ("elbo", 1, 1.0)
    assert (config.training.epochs, config.training.batch_size) == (10_000, 100)
    assert (config.training.optimizer, config.training.learning_rate) == ("adam", 0.001)
    assert config.training.learning_rate_schedule == "constant"


@pytest.mark.parametrize("name", ["frey-faces", "frey-faces-discretized"])
def test_frey_faces_has_the_split_of_the_literature(name):
    config = load_recipe(name).run_config()
    assert (config.data.name, config.data.validation, config.data.test) == ("frey-faces", 200, 200)
    assert config.training.early_stopping_patience > 0


@pytest.mark.parametrize(
    ("data", "recipe"),
    [("faces", "demo"), ("frey-faces", "default"), ("mnist", "default"), ("pictures/", "default"), ("x.npy", "default")],
)
def test_each_data_set_has_a_default_recipe(data, recipe):
    assert default_recipe_for(data) == recipe
    assert resolve_config(data)[1].name == recipe
    assert resolve_config(data)[0].data.name == data


def test_with_no_argument_the_built_in_faces_are_used():
    config, recipe = resolve_config()
    assert recipe.name == "demo"
    assert config.data.name == "faces"
    assert resolve_config(overrides=["data.name=frey-faces"])[1].name == "default"


def test_what_comes_later_wins(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[recipe]\nextends = "frey-faces"\n[training]\nepochs = 7\nseed = 1\nbatch_size = 50\n[model]\nlatent_dim = 3\n'
    )
    config, recipe = resolve_config(
        "faces", path, ["training.epochs=8", "training.seed=2", "objective.beta=2"], {"training": {"seed": 3}}
    )
    assert recipe.name == str(path)
    assert config.training.optimizer == "adamw"  # the recipe it extends
    assert config.data.validation == 200
    assert config.model.latent_dim == 3  # the file
    assert config.training.batch_size == 50
    assert config.data.name == "faces"  # the argument
    assert config.training.epochs == 8  # --set
    assert config.objective.beta == 2.0
    assert config.training.seed == 3  # the flag
    assert config.prior.name == RunConfig().prior.name  # the default


def test_a_runs_configuration_is_a_recipe(tmp_path):
    config, _ = resolve_config(recipe="post-2018", overrides=["training.epochs=3"])
    write_text(tmp_path / "config.toml", config.to_toml())
    assert resolve_config(recipe=tmp_path / "config.toml")[0] == config


def test_layers_are_checked_as_a_whole():
    # The recipe has two activations; --set names one layer and one activation.
    config, _ = resolve_config("faces", overrides=["network.hidden_widths=[50]", "network.activations=relu"])
    assert config.network.activations == "relu"


def test_a_misspelt_recipe_gets_the_nearest_name():
    message = "recipe is 'frey-face', which does not exist. Did you mean 'frey-faces'? Available: beta-tcvae,"
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        load_recipe("frey-face")
    assert str(caught.value).endswith("The path of a TOML file is a recipe too.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trainin]\nepochs = 3", "configuration section is 'trainin', which does not exist. Did you mean 'training'?"),
        (
            "[training]\nepoch = 3",
            "configuration key of section [training] is 'epoch', which does not exist. Did you mean 'epochs'?",
        ),
        ('[recipe]\ntitel = "x"', "key of section [recipe] is 'titel', which does not exist. Did you mean 'title'?"),
        ("[recipe]\ntitle = 3", "recipe.title is 3; expected text."),
        ('[recipe]\ndefault_for = "faces"', "recipe.default_for is 'faces'; expected a list of names."),
        ('recipe = "frey-faces"', "recipe is 'frey-faces'; expected a section [recipe]."),
        ("epochs = 3", "configuration key 'epochs' is in no section. Did you mean training.epochs?"),
        ('[recipe]\nextends = "post-2017"', "recipe is 'post-2017', which does not exist. Did you mean 'post-2018'?"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        load_recipe(path)
    assert "extends" in text or str(path) in str(caught.value)


def test_a_missing_file_and_a_circle_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no configuration file .*none\.toml"):
        load_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "a.toml").write_text('[recipe]\nextends = "b.toml"')
    (tmp_path / "b.toml").write_text('[recipe]\nextends = "a.toml"')
    with pytest.raises(ConfigurationError, match=r"recipes extend each other in a circle: .*a\.toml -> .*b\.toml -> .*a\.toml"):
        load_recipe(tmp_path / "a.toml")


def test_flags_are_checked_too():
    with pytest.raises(ConfigurationError, match=r"flags: configuration key of section \[training\] is 'epoch'"):
        resolve_config(flags={"training": {"epoch": 3}})


def test_a_recipe_file_is_found_by_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("[training]\nepochs = 4\n")
    assert resolve_config("faces", "mine.toml")[0].training.epochs == 4
