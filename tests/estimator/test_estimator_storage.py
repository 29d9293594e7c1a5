"""Saving and loading an estimator: the same numbers bit for bit, nothing pickled, nothing lost."""

from __future__ import annotations

import json
import shutil
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.assembly.parts import part_from_json, part_to_json
from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.errors import ConfigurationError, ModelFolderError, SavingError
from lowerbound.likelihoods import AbstractElementwise, Bernoulli, DiscretizedLogistic, Gaussian, Measure, Scaling, Support
from lowerbound.objectives import ELBO
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal
from lowerbound.runs.training import TrainingRun
from lowerbound.storage.documents import sha256

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 4)) * [1, 10, 100, 1000]
LEVELS = RNG.integers(0, 256, (60, 3, 2)).astype(np.uint8)
SMALL = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 3, "random_state": 0, "automatic": False}


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(**SMALL, activations=("tanh",), config={"training": {"gradient_clip": 10.0}}).fit(TABLE)


def assert_same_numbers(a: VAE, b: VAE, data: np.ndarray) -> None:
    for method in ("transform", "score_samples", "reconstruct"):
        np.testing.assert_array_equal(getattr(a, method)(data), getattr(b, method)(data))
    np.testing.assert_array_equal(a.sample(5, random_state=0), b.sample(5, random_state=0))


def test_a_loaded_estimator_is_the_saved_one(vae, tmp_path):
    vae.save(tmp_path / "model")
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [
        "config.json",
        "estimator.json",
        "weights.safetensors",
    ]
    loaded = VAE.load(tmp_path / "model")
    assert_same_numbers(vae, loaded, TABLE)
    assert (loaded.spec_, loaded.config_) == (vae.spec_, vae.config_)
    assert loaded.n_features_in_ == 4
    assert loaded.get_feature_names_out().tolist() == ["vae0", "vae1"]
    assert loaded.get_params() == {
        **vae.get_params(),
        "batch_size": 100,
        "early_stopping_patience": 0,
        "kind": "rows",
        "learning_rate": 0.001,
        "likelihood": "gaussian",
        "mask": "at-random",
        "network": "mlp",
        "prior": "standard-normal",
        "scaling": "standard",
    }
    for name, column in vae.history_.items():
        np.testing.assert_array_equal(loaded.history_[name], column)


def test_a_loaded_estimator_fits_again_to_the_same_model(vae, tmp_path):
    vae.save(tmp_path / "model")
    assert_same_numbers(vae, VAE.load(tmp_path / "model").fit(TABLE), TABLE)


# Each of the package's parts, in a form that its name alone would not give.
PARTS = {
    "gaussian": (TABLE, {"likelihood": Gaussian((4,), np.array([0.1, 0.2, 0.3, 0.4]))}),
    "gaussian-bounded": (LEVELS, {"likelihood": Gaussian((3, 2), 0.05, np.array([-9.0, 9.0]).reshape(2, 1, 1))}),
    "discretized-logistic": (LEVELS, {"likelihood": DiscretizedLogistic((3, 2), bounded_mean=False)}),
    "bernoulli": (LEVELS > 127, {"likelihood": Bernoulli((3, 2))}),
    "latents": (TABLE, {"prior": StandardNormal(2), "posterior": DiagonalGaussian(2)}),
    "objective": (TABLE, {"objective": ELBO(num_samples=2, beta=0.5, warmup_steps=7)}),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_model_with_parts_is_saved_with_them(name, tmp_path):
    data, parts = PARTS[name]
    fitted = VAE(**SMALL, **parts).fit(data)
    fitted.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    assert jax.tree.structure(loaded.model_) == jax.tree.structure(fitted.model_)
    for ours, theirs in zip(jax.tree.leaves(loaded.model_), jax.tree.leaves(fitted.model_), strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
    np.testing.assert_array_equal(loaded.transform(data), fitted.transform(data))
    for argument, part in parts.items():
        assert part_to_json(argument, getattr(loaded, argument)) == part_to_json(argument, part)
        assert type(getattr(loaded, argument)) is type(part)
    # Its parameters are possible ones: a fit with them is not refused.
    assert loaded._configuration().config.model.latent_dim == 2


class MyGaussian(AbstractElementwise):
    """A class of one's own: a Gaussian with one unit scale."""

    event_shape: tuple[int, ...] = eqx.field(static=True)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config, context):
        return cls(context.spec.event_shape)

    @property
    def param_shape(self):
        return (2, *self.event_shape)

    def elements(self, params, total=None):
        return Gaussian(self.event_shape, 1.0).elements(params)

    def initial_params(self, mean, std):
        return Gaussian(self.event_shape, 1.0).initial_params(mean, std)

    def monitors(self, params):
        return {}


def test_a_part_of_a_class_of_ones_own_works_and_is_not_saved(tmp_path):
    fitted = VAE(**SMALL, likelihood=MyGaussian((4,))).fit(TABLE)
    assert isinstance(fitted.model_.likelihood, MyGaussian)
    assert fitted.config_.data.scaling == "standard"
    assert np.isfinite(fitted.score(TABLE))
    with pytest.raises(
        ConfigurationError, match=r"likelihood is a MyGaussian, a class that is not in.*cannot be saved.*CATALOGUE"
    ):
        fitted.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_model_of_a_command_line_run_can_be_loaded(tmp_path):
    config = RunConfig.from_dict(
        {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "training": {"epochs": 3}, "data": {"name": "mine.npy"}}
    )
    run = TrainingRun.begin(tmp_path / "run", config, Dataset("mine.npy", TABLE), recipe="default", command="")
    run.run()
    from_run, from_model = VAE.load(tmp_path / "run"), VAE.load(tmp_path / "run" / "model")
    assert_same_numbers(from_run, from_model, TABLE)
    assert from_run.latent_dim == 2
    assert from_run.history_["epoch"].tolist() == [1.0, 2.0, 3.0]
    assert from_model.history_ == {}


# Refusals --------------------------------------------------------------------------------------------------------------------


def test_saving_replaces_a_model_and_nothing_else(vae, tmp_path):
    vae.save(tmp_path / "model")
    vae.save(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"holds other files than a saved model's.*nothing was touched.*Give a path"):
        vae.save(tmp_path / "model")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert VAE.load(tmp_path / "model").latent_dim == 2


def test_a_folder_that_is_not_a_model_is_refused(vae, tmp_path):
    with pytest.raises(ModelFolderError, match=r"model folder .*nowhere does not exist; expected a folder with config.json"):
        VAE.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match=r"has no config.json"):
        VAE.load(tmp_path / "empty")
    vae.save(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "torn")
    (tmp_path / "torn" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(ModelFolderError, match=r"weights.safetensors is torn"):
        VAE.load(tmp_path / "torn")


@pytest.mark.parametrize("path", [None, 3, "a\0b", b"a\0b"])
def test_what_is_no_path_is_refused(vae, path):
    for use in (vae.save, VAE.load):
        with pytest.raises(ConfigurationError, match=r"path is .*; expected the path of a folder, such as 'my_model'"):
            use(path)


def test_a_changed_or_newer_estimator_file_is_refused(vae, tmp_path):
    vae.save(tmp_path / "model")
    file = tmp_path / "model" / "estimator.json"
    original = file.read_text()
    file.write_text(original[:-20])
    with pytest.raises(ModelFolderError, match=r"estimator.json is not readable JSON"):
        VAE.load(tmp_path / "model")
    file.write_text(original.replace('"parts": {}', '"parts": {"prior": 1}'))
    with pytest.raises(ModelFolderError, match=r"estimator.json is damaged or was edited"):
        VAE.load(tmp_path / "model")
    shorter = {name: value for name, value in json.loads(original).items() if name != "checksum"}
    shorter["history"]["loss"].pop()
    file.write_text(json.dumps({**shorter, "checksum": sha256(json.dumps(shorter, sort_keys=True).encode())}))
    with pytest.raises(
        ModelFolderError, match=r"estimator.json: history has columns of .*, loss \d+, .*; expected as many in each"
    ):
        VAE.load(tmp_path / "model")
    file.write_text(json.dumps({**json.loads(original), "format_version": 3}))
    with pytest.raises(ModelFolderError, match=r"made by a newer lowerbound.*pip install --upgrade lowerbound"):
        VAE.load(tmp_path / "model")


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"part": "os.system", "fields": {}}, {"part": "Bernoulli", "fields": {"shape": [3]}}, {"part": "Bernoulli"}],
)
def test_a_stored_part_that_is_not_one_of_ours_is_refused(stored):
    with pytest.raises(ModelFolderError, match=r"the stored likelihood .* is not one of ours .* expected one of Bernoulli"):
        part_from_json("likelihood", stored)


# What somebody else might have at the place where a model is to be saved: files by name, with their content.
FOREIGN = {
    "a file": None,
    "a config of another program": {"config.json": '{"model_type": "bert"}'},
    "a config that is no JSON": {"config.json": "half"},
    "weights alone": {"weights.safetensors": "theirs"},
    "an estimator of another program": {"estimator.json": "[]"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_saving_never_replaces_what_is_not_ours(name, vae, tmp_path):
    path, files = tmp_path / "theirs.npy", FOREIGN[name]
    if files is None:
        path.write_bytes(b"an array")
    else:
        path.mkdir()
        for file, text in files.items():
            (path / file).write_text(text)
    before = path.read_bytes() if files is None else {file.name: file.read_text() for file in path.iterdir()}
    with pytest.raises(ConfigurationError, match=r"theirs.npy is a .*saving would replace it; nothing was touched. Give a path"):
        vae.save(path)
    assert before == (path.read_bytes() if files is None else {file.name: file.read_text() for file in path.iterdir()})
    assert [entry.name for entry in tmp_path.iterdir()] == ["theirs.npy"]


def test_saving_replaces_a_damaged_model_of_ours_but_no_link_and_no_second_document(vae, tmp_path):
    vae.save(tmp_path / "model")
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"half")
    (tmp_path / "link").symlink_to("model")
    with pytest.raises(ConfigurationError, match=r"link is a link, and saving would replace it"):
        vae.save(tmp_path / "link")
    vae.save(tmp_path / "model")
    assert VAE.load(tmp_path / "link").latent_dim == 2
    (tmp_path / "model" / "estimator.json").write_text('{"format": "theirs"}')
    with pytest.raises(ConfigurationError, match=r"other files than a saved model's \(estimator.json\)"):
        vae.save(tmp_path / "model")


def test_a_name_that_is_too_long_is_said(vae, tmp_path):
    with pytest.raises(SavingError, match=r"File name too long.*Save to a shorter path"):
        vae.save(tmp_path / ("n" * 300))
    with pytest.raises(ModelFolderError, match="does not exist"):
        VAE.load(tmp_path / ("n" * 300))
