"""The catalogue: names, the keys that each part reads, and the papers."""

import re

import pytest

from lowerbound.config import RunConfig
from lowerbound.config.catalogue import CATALOGUE, class_of, name_of, names_of
from lowerbound.config.sections import LikelihoodConfig, NetworkConfig, ObjectiveConfig, PosteriorConfig, PriorConfig
from lowerbound.errors import ConfigurationError
from lowerbound.recipes import list_recipes, load_recipe, resolve_config
from lowerbound.recipes.bibliography import bibtex, papers_of, references
from lowerbound.recipes.registry import layered

SECTIONS = {
    "prior": PriorConfig,
    "posterior": PosteriorConfig,
    "likelihood": LikelihoodConfig,
    "network": NetworkConfig,
    "objective": ObjectiveConfig,
}
EVERY = [(kind, name) for kind, entries in CATALOGUE.items() for name in entries]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_entry_names_a_class_that_knows_its_name_and_keys_that_exist(kind: str, name: str) -> None:
    assert name_of(kind, class_of(kind, name)) == name
    keys = {field for field in SECTIONS[kind].__dataclass_fields__ if field != "name"}
    assert set(CATALOGUE[kind][name].keys) <= keys


def test_every_key_is_read_by_some_part() -> None:
    for kind, section in SECTIONS.items():
        read = {key for entry in CATALOGUE[kind].values() for key in entry.keys}
        assert read == set(section.__dataclass_fields__) - {"name"}


def test_every_paper_of_a_part_or_a_recipe_is_known() -> None:
    named = {paper for entries in CATALOGUE.values() for entry in entries.values() for paper in entry.papers}
    named |= {recipe.info.paper for recipe in list_recipes()} - {""}
    named |= {paper for recipe in list_recipes() for paper in papers_of(recipe.run_config())}
    assert named <= set(references())
    for key, reference in references().items():
        assert {"kind", "authors", "title", "year"} <= set(reference), key
        assert re.fullmatch(r"(arXiv:\d{4}\.\d{4,5}|doi:\S+|isbn:\S+)?", reference.get("identifier", "")), key


@pytest.mark.parametrize("kind", SECTIONS)
def test_an_unknown_name_is_refused_with_the_nearest(kind: str) -> None:
    right = names_of(kind)[-1]
    with pytest.raises(ConfigurationError, match=rf"{kind}.name is '{right}x', which does not exist. Did you mean '{right}'\?"):
        RunConfig.from_dict({kind: {"name": right + "x"}})


def test_a_key_that_the_part_does_not_read_is_refused_with_those_that_do() -> None:
    message = (
        "prior.num_components is 7, but prior.name is 'standard-normal', which does not read it; leave it out, or choose a prior"
    )
    with pytest.raises(ConfigurationError, match=f"{message} that does: mixture-of-gaussians, vamp"):
        RunConfig.from_dict({"prior": {"num_components": 7}})
    assert RunConfig.from_dict({"prior": {"name": "vamp", "num_components": 7}}).prior.num_components == 7


def test_another_part_than_the_recipe_s_drops_the_keys_that_it_does_not_read() -> None:
    base = {"objective": {"name": "elbo", "beta": 4.0, "num_samples": 2}, "training": {"epochs": 3}}
    assert layered(base, {"objective": {"name": "iwae"}})["objective"] == {"name": "iwae", "num_samples": 2}
    assert layered(base, {"objective": {"beta": 2.0}})["objective"] == {"name": "elbo", "beta": 2.0, "num_samples": 2}
    config, _ = resolve_config("faces", overrides=["network.name=resnet"])
    assert config.network.name == "resnet"


def test_bibtex_is_of_exactly_the_parts_used() -> None:
    config = RunConfig.from_dict({"posterior": {"name": "planar"}, "objective": {"name": "iwae", "gradient": "dreg"}})
    keys = papers_of(config)
    assert {"rezende2015", "burda2016", "tucker2019", "kingma2015adam"} <= set(keys)
    assert not {"tomczak2018", "roeder2017", "loshchilov2019"} & set(keys)
    assert "tucker2019" not in papers_of(RunConfig.from_dict({"objective": {"name": "iwae"}}))
    text = bibtex(["kingma2014"])
    assert text.startswith("@inproceedings{kingma2014,\n  author = {Diederik P. Kingma and Max Welling},\n")
    assert "eprint = {1312.6114},\n  archiveprefix = {arXiv}" in text
    assert "@misc{lowerbound," in text


@pytest.mark.parametrize("recipe", [recipe.name for recipe in list_recipes()])
def test_every_recipe_is_short_and_cites_its_paper(recipe: str) -> None:
    info = load_recipe(recipe).info
    assert info.title
    assert info.summary
    assert info.data
    assert info.reference["year"] >= 1980
    assert bool(info.published) == bool(info.published_source)
