"""The catalogue: names, the keys that each part reads, and the papers."""

import copy
import inspect
import math
import pickle
import re

import pytest

from lowerbound.config import Integer, PartConfig, Real, RunConfig, with_changes
from lowerbound.config.catalogue import CATALOGUE, class_of, name_of, names_of
from lowerbound.errors import ConfigurationError
from lowerbound.recipes import list_recipes, load_recipe, resolve_config
from lowerbound.recipes.bibliography import bibtex, papers_of, references

EVERY = [(kind, name) for kind, entries in CATALOGUE.items() for name in entries]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_part_is_its_class_and_its_keys_have_the_class_s_own_defaults(kind: str, name: str) -> None:
    assert name_of(kind, class_of(kind, name)) == name
    cls = class_of(kind, name)
    arguments = inspect.signature(cls).parameters
    for key, known in CATALOGUE[kind][name].keys.items():
        assert len(known.help) > 10
        assert known.rule.convert(f"{kind}.{key}", known.default) == known.default
        if key in arguments and arguments[key].default is not inspect.Parameter.empty:
            default = arguments[key].default
            assert (getattr(cls, f"usual_{key}") if default is None else default) == known.default, (name, key)
    assert PartConfig(kind, name).changed == {}


@pytest.mark.parametrize("name", CATALOGUE["objective"])
def test_a_part_given_as_an_object_is_held_to_the_rules_of_its_keys(name: str) -> None:
    cls, required = class_of("objective", name), {"num_examples": 10} if name == "beta-tc" else {}
    for key, known in CATALOGUE["objective"][name].keys.items():
        argument = key.replace("_epochs", "_steps")
        # The types of fields are checked in tests, so names that do not exist never come as far.
        if not isinstance(known.rule, Integer | Real) or known.rule == Real():
            continue
        # Of info-vae's two weights, what they must be together is said first.
        if (name, key) == ("info-vae", "mmd_weight"):
            continue
        bad = -1 if isinstance(known.rule, Integer) else 1.5 if math.isinf(known.rule.minimum) else -1.5
        with pytest.raises(ConfigurationError) as by_name:
            PartConfig("objective", name, {key: bad})
        with pytest.raises(ConfigurationError) as as_object:
            cls(**{**required, argument: bad})
        assert str(as_object.value) == str(by_name.value).replace(key, argument)


def test_objectives_have_defaults_of_their_own() -> None:
    defaults = {
        name: PartConfig("objective", name).values for name in ("elbo", "iwae", "miwae", "ciwae", "piwae", "renyi", "beta-tc")
    }
    assert {name: values["num_samples"] for name, values in defaults.items()} == {
        "elbo": 1, "iwae": 5, "miwae": 5, "ciwae": 5, "piwae": 5, "renyi": 5, "beta-tc": 1,
    }  # fmt: skip
    assert (defaults["renyi"]["alpha"], defaults["beta-tc"]["beta"]) == (0.5, 6.0)


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        ({"name": "iwae", "num_samples": 1}, "objective.num_samples is 1, and a single importance weight makes"),
        ({"name": "miwae", "num_samples": 1, "num_groups": 5}, "objective.num_samples is 1, and a single"),
        ({"name": "ciwae", "num_samples": 1}, "objective.num_samples is 1, and a single"),
        ({"name": "piwae", "num_samples": 1}, "objective.num_samples is 1, and a single"),
        ({"name": "renyi", "num_samples": 1}, "objective.num_samples is 1, and a single"),
        ({"name": "renyi", "alpha": 1}, "objective.alpha is 1, which makes this objective the plain ELBO; set another order"),
        ({"name": "beta-tc", "beta": 1}, "objective.alpha, beta and gamma are all 1, which makes this objective the plain ELBO"),
        ({"name": "piwae", "num_samples": 1, "num_groups": 5}, None),
        ({"name": "miwae"}, "objective.num_groups is 1, and a single group makes this objective IWAE"),
        ({"name": "piwae"}, "objective.num_groups is 1, and a single group makes this objective IWAE"),
        ({"name": "miwae", "num_groups": 5}, None),
        ({"name": "ciwae", "elbo_weight": 1}, "objective.elbo_weight is 1, which makes this objective the plain ELBO"),
        (
            {"name": "dip-i", "off_diagonal_weight": 0, "diagonal_weight": 0},
            "objective.off_diagonal_weight and",
        ),
        ({"name": "info-vae", "alpha": 0, "mmd_weight": 1}, "objective.alpha is 0 and mmd_weight 1, which makes"),
        ({"name": "beta-tc", "beta": 1, "gamma": 2}, None),
        *(({"name": name}, None) for name in CATALOGUE["objective"] if name not in ("miwae", "piwae")),
    ],
)
def test_an_objective_that_is_a_plainer_one_is_remarked_on(values: dict[str, object], remark: str | None) -> None:
    remarks = RunConfig.from_dict({"objective": values}).remarks
    assert len(remarks) == (remark is not None)
    assert all(found.startswith(str(remark)) for found in remarks)


def test_a_law_of_the_mask_with_a_scale_from_z_is_remarked_on() -> None:
    sections = {"mask": {"name": "self-masking"}, "likelihood": {"name": "gaussian"}}
    (remark,) = RunConfig.from_dict(sections).remarks
    assert "mask.name is 'self-masking' and likelihood.scale is from-z" in remark
    assert remark.endswith("set likelihood.scale=shared.")
    assert not RunConfig.from_dict({**sections, "likelihood": {"name": "gaussian", "scale": "shared"}}).remarks
    assert not RunConfig.from_dict({"likelihood": {"name": "gaussian"}}).remarks


def test_every_paper_of_a_part_or_a_recipe_is_known() -> None:
    entries = [entry for entries in CATALOGUE.values() for entry in entries.values()]
    named = {paper for entry in entries for paper in entry.papers}
    named |= {paper for entry in entries for key in entry.keys.values() for papers in key.papers.values() for paper in papers}
    named |= {recipe.info.paper for recipe in list_recipes()} - {""}
    named |= {paper for recipe in list_recipes() for paper in papers_of(recipe.run_config())}
    assert named <= set(references())
    for key, reference in references().items():
        assert {"kind", "authors", "title", "year"} <= set(reference), key
        assert re.fullmatch(r"(arXiv:\d{4}\.\d{4,5}|doi:\S+|isbn:\S+)?", reference.get("identifier", "")), key


@pytest.mark.parametrize("kind", CATALOGUE)
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
    assert with_changes(base, {"objective": {"name": "iwae"}})["objective"] == {"name": "iwae", "num_samples": 2}
    base["objective"]["num_samples"] = 1
    assert with_changes(base, {"objective": {"name": "iwae"}})["objective"] == {"name": "iwae"}, "the ELBO's own default"
    base["objective"]["num_samples"] = 2
    assert with_changes(base, {"objective": {"beta": 2.0}})["objective"] == {"name": "elbo", "beta": 2.0, "num_samples": 2}
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


def test_what_was_said_of_auto_stays_when_it_is_chosen() -> None:
    config = RunConfig.from_dict({"likelihood": {"scale": "fixed"}})
    assert config.updated({"likelihood": {"name": "gaussian"}}).likelihood.scale == "fixed"
    with pytest.raises(
        ConfigurationError, match=r"likelihood\.scale is 'fixed', but likelihood\.name is 'bernoulli', which does not"
    ):
        config.updated({"likelihood": {"name": "bernoulli"}})


def test_a_part_s_section_is_a_value() -> None:
    section = PartConfig("objective", "ciwae", {"gradient": "dreg"})
    assert (section.elbo_weight, section.gradient, section.get("beta", 3)) == (0.5, "dreg", 3)
    assert section == PartConfig("objective", "ciwae", {"gradient": "dreg", "num_samples": 5})
    assert hash(section) == hash(copy.deepcopy(section)) != hash(section.replaced(num_samples=2))
    assert pickle.loads(pickle.dumps(section)) == section
    with pytest.raises(AttributeError, match="the section 'ciwae' has no 'beta'; it has name, num_samples, gradient, elbo"):
        _ = section.beta
