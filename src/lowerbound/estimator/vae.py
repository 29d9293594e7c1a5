"""The variational autoencoder as a scikit-learn estimator. It holds no maths: it translates between people and jobs.

What is heavy is imported where it is used, so that an import takes little longer than that of scikit-learn and JAX.
"""

from __future__ import annotations

import inspect
import sys
import typing
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..config.rules import Boolean
from ..config.sections import LARGEST_SEED
from ..data.examples import examples_of, in_form_of
from ..data.plausibility import check_like_training
from ..errors import ConfigurationError, ConfigurationWarning
from .fit_data import dataset_for_fit
from .fitted import AbstractFitted
from .forked import check_not_forked
from .frames import module_of_frame
from .inputs import seed_from
from .labels import infers_labels
from .result import Fitted

if TYPE_CHECKING:
    from ..training import Progress, Record
    from ..training.programs import Programs
    from .parameters import Asked

_LINES_PER_FIT = 20


class VAE(AbstractFitted):
    r"""A variational autoencoder: a density, p(x) = \int p(z) p(x|z) dz, and a transformer, x to the posterior's mean of z.

    Examples are the rows of a table (n, features) or images (n, height, width) and (n, height, width, channels), of any numeric
    type, in your own units; no scaling is needed before. Every log-density is in nats and about x in those units.

    `VAE()` is right without a parameter: what is None is chosen from the data by `fit`, as `lowerbound train` does, and
    `choices_` says what was chosen and why. What is given stands. With `automatic=False` nothing is chosen: what is None has the
    default of the configuration's key (`lowerbound parts NAME` prints those of a part).

    Parameters
    ----------
    latent_dim : int, default=None
        Number of latent variables.
    model : str, default=None
        The form of the model, of those that `lowerbound parts model` lists; "semi-supervised" takes `condition` for a label that
        few examples have (-1 for the others) and has `predict` and `predict_proba`, with objective="semi-supervised".
    likelihood : str or a part, default=None
        p(x|z). Any name that `lowerbound parts likelihood` lists, or a part; so for the other parts. "auto" is Bernoulli for data
        of zeros and ones, Gaussian otherwise. A part of `lowerbound.likelihoods` is about the data as `scaling` leaves them.
    mean : "free" or "sigmoid", default=None
        A likelihood's mean: any number, or through a sigmoid into the data's range.
    scale_floor : "auto" or float, default=None
        Smallest scale of a Gaussian in the data's units; "auto" is half of the data's own step.
    prior : str or a part, default=None
        p(z).
    posterior : str or a part, default="diagonal-gaussian"
        The family of q(z|x).
    mask : str, default=None
        Why values are missing: "at-random", or "self-masking" where they are missing because of what they are (not-MIWAE); then
        a score is log p(x, mask).
    objective : str or a part, default="elbo"
        What training maximises; `lowerbound.objectives.ELBO(num_samples=5)` draws five z for each example.
    beta : float, default=None
        Of the ELBO, the weight of the KL term while training (None: 1, which makes it a lower bound on log p(x)); of "beta-tc",
        of the total correlation (None: 6).
    network : str or what makes a network, default=None
        The encoder's and the decoder's kind, of those that `lowerbound parts network` lists. Or a class or function that makes
        one of your own: it is called twice as `network(in_shape, out_shape, key=key)`, with `condition_dim` too where there is a
        condition, and gives a network of `lowerbound.networks` (`Wrapped` makes one of any Equinox module).
    hidden_widths : tuple of int, default=None
        Units of each hidden layer of the encoder; () for a linear map.
    decoder_widths : "mirrored" or tuple of int, default=None
        Units of each hidden layer of the decoder; "mirrored" is the encoder's in the other order.
    activations : str or tuple of str, default=None
        One name for all hidden layers or one for each.
    dropout : float, default=None
        Probability with which a hidden unit is dropped while training.
    kind : "auto", "pictures", "rows" or "series", default="auto"
        What an example is: a picture, a row, or a window of series, (steps, columns). "auto" decides from the data's type, shape
        and range; `spec_.words` says what was decided. Only pictures share one scale; elsewhere each number has its own.
    schema : str, path or dict, default=None
        Of a data frame: what its columns are, the path of a file that `lowerbound schema` wrote, or the kinds of some columns by
        name, `{"zip": "categorical"}`. A frame with texts, days or cells without a value is a table, each column of which has a
        law of its own; `spec_.columns` says which, and why. None: all kinds are inferred.
    scaling : "auto", "unit", "standard" or "none", default="auto"
        How the model sees the data: [0, 1], z-scores, or as they are. Scores are about the data as they are in any case.
    epochs : int, default=None
        Passes over the training data.
    batch_size : int, default=None
        Examples in a step.
    learning_rate : float, default=None
        Of the optimiser, the largest where it falls.
    validation : float, int or array, default=0.1
        Fraction or number of examples that are not trained on, to watch the bound and to stop early; 0 for none. Or those that
        you choose: the numbers of their rows, a mask of them, or examples of their own.
    early_stopping_patience : int, default=None
        Epochs without a better validation bound before training stops. The weights kept are those of the best validation
        bound; 0 trains to the end and keeps the last ones.
    automatic : bool, default=True
        Whether the data choose what is None, and the keys of `config` that are not in it.
    warm_start : bool, default=False
        Whether `fit` goes on from the model that is there, also after `load`, with the parameters and the data that it is given
        now. What the model is made of is as it was, and must not be given otherwise.
    config : dict, default=None
        Further keys of the configuration, by section: `{"training": {"gradient_clip": 100.0}}`.
    random_state : int, RandomState or None, default=None
        Of the weights, the validation split and the noise. None makes each fit another.
    verbose : bool, default=False
        Print what is chosen and why, and then about twenty lines while fitting.

    Attributes
    ----------
    model_ : AbstractLatentVariableModel
        The trained model, written for one example.
    spec_ : DataSpec
        What the training data said of themselves: kind, limits, precision.
    config_ : RunConfig
        The configuration as resolved; `config_.training.seed` is the seed of this fit.
    choices_ : tuple of Choice
        What the data chose in `fit`, each with its `values` and its `reason`; `words` says both.
    history_ : dict of str to ndarray
        Figures of the training, one entry a look: epoch, train_elbo_nats, validation_elbo_nats, ...
    n_features_in_ : int
        Numbers in one example (height times width times channels for an image).
    feature_names_in_ : ndarray of str
        Names of the columns, when `fit` was given a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from lowerbound import VAE
    >>> rng = np.random.default_rng(0)
    >>> height = rng.normal(170, 10, 500)
    >>> X = np.stack([height, 0.9 * height - 80 + rng.normal(0, 3, 500)], axis=1)  # cm and kg
    >>> vae = VAE(latent_dim=2, hidden_widths=(32,), epochs=200, random_state=0).fit(X)
    >>> vae.choices_[0].words
    'likelihood: name=gaussian (because the columns are real numbers without heavy tails)'
    >>> round(vae.score(X), 1)  # nats per example; the truth is known here, and is -6.2
    -6.2
    >>> usual, unusual = vae.score_samples([[170, 73], [170, 103]])
    >>> bool(unusual < usual - 20)
    True
    >>> vae.transform(X).shape, vae.sample(5, random_state=0).shape
    ((500, 2), (5, 2))

    References
    ----------
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, arXiv 1312.6114.
    """

    # What training runs its programs by, where others are fitted at the same time (`EnsembleVAE`).
    _programs: Programs | None = None

    @typing.no_type_check  # scikit-learn's convention: anything may be set, and `fit` is what refuses it
    def __init__(
        self,
        latent_dim: int | None = None,
        *,
        model: str | None = None,
        likelihood: Any = None,
        mean: str | None = None,
        scale_floor: str | float | None = None,
        prior: Any = None,
        posterior: Any = "diagonal-gaussian",
        mask: str | None = None,
        objective: Any = "elbo",
        beta: float | None = None,
        network: Any = None,
        hidden_widths: tuple[int, ...] | None = None,
        decoder_widths: str | tuple[int, ...] | None = None,
        activations: str | tuple[str, ...] | None = None,
        dropout: float | None = None,
        kind: str = "auto",
        schema: Any = None,
        scaling: str = "auto",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation: Any = 0.1,
        early_stopping_patience: int | None = None,
        automatic: bool = True,
        warm_start: bool = False,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.latent_dim = latent_dim
        self.model = model
        self.likelihood = likelihood
        self.mean = mean
        self.scale_floor = scale_floor
        self.prior = prior
        self.posterior = posterior
        self.mask = mask
        self.objective = objective
        self.beta = beta
        self.network = network
        self.hidden_widths = hidden_widths
        self.decoder_widths = decoder_widths
        self.activations = activations
        self.dropout = dropout
        self.kind = kind
        self.schema = schema
        self.scaling = scaling
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation = validation
        self.early_stopping_patience = early_stopping_patience
        self.automatic = automatic
        self.warm_start = warm_start
        self.config = config
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def from_recipe(cls, recipe: str | Path, **parameters: Any) -> VAE:
        """An estimator with a recipe's settings (`lowerbound recipes` lists them; the path of a TOML file is one too).

        The data choose nothing, but where the recipe is `default`. `parameters`: those that shall differ.

        >>> VAE.from_recipe("post-2018").epochs
        10000
        """
        from ..recipes import load_recipe
        from .parameters import parameters_of

        chosen = load_recipe(recipe)
        settings = {} if chosen.info.automatic else parameters_of(chosen.run_config(), {})
        return cls(**{**settings, "random_state": None, **parameters})

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        condition: Any = None,
        sample_weight: Any = None,
        spread: Any = None,
        kind: str | None = None,
    ) -> VAE:
        """Train on the examples `X`; `y` is ignored.

        - `condition`: what is given with each example, for a conditional model p(x|c): (n,) whole numbers for a category, or
          (n, k) numbers. Every method then takes the `condition` of its own examples.
        - `sample_weight`: (n,), how many examples each stands for: a row of weight 2 is worth two in every mean. A step draws
          rows, not weights, so a fit with a weight of 2 is not the fit with the row given twice, number for number.
        - `spread`: of the shape of `X`, the standard deviation with which each step of training draws the values anew about `X`.
        - `kind`: for this fit, in place of the parameter of that name.

        Raises `DataError` when `X` cannot be used, `ConfigurationError` when a parameter is not possible, and
        `NonFiniteLossError`; what was fitted before is untouched then.
        """
        from ..assembly.build import with_weights_of
        from ..runs.planning import Before, check_held_out, plan
        from ..training import prepare
        from ..training.programs import ALONE

        check_not_forked()
        dataset = dataset_for_fit(
            X,
            type(self)(),
            schema=self.schema,
            validation=self.validation,
            memory=_memory(self.config),
            condition=condition,
            are_labels=infers_labels(type(self)(model=self.model)),
            sample_weight=sample_weight,
            spread=spread,
        )
        asked = self._configuration(None if dataset.split is None else len(dataset.split.validation), kind)
        before = None
        if self.warm_start and hasattr(self, "model_"):
            before = Before(self.spec_, self.config_)
            dataset = in_form_of(dataset, self.spec_)
            check_like_training(dataset.examples, self.spec_)
            if self.spec_.condition is not None:
                self.spec_.condition.check_like_training(dataset.condition)
        parts = asked.parts
        split, spec, config, choices = plan(asked.config, dataset, asked.given, parts=parts, before=before)
        if self.verbose:
            sys.stdout.write("\n".join([f"X is taken for {spec.words}", *(choice.words for choice in choices), ""]))
        for remark in config.remarks:
            warnings.warn(remark, ConfigurationWarning, stacklevel=2)
        dataset = in_form_of(dataset, spec)
        if before is None:
            check_held_out(dataset, split, spec)
        model = with_weights_of(self.model_, config, spec, parts) if before else None
        trainer = prepare(config, spec, dataset, split, parts=parts, model=model)
        figures: list[dict[str, float]] = []

        def note(record: Record, progress: Progress) -> None:
            figures.append(record.figures)
            if self.verbose:
                _print_sometimes(record, config.training.epochs)

        progress = trainer.run(trainer.start(), on_record=note, programs=self._programs or ALONE)
        columns = {name: np.asarray([row[name] for row in figures]) for name in figures[0]}
        self._frame = module_of_frame(X)
        self._held_out = examples_of(dataset, split.validation, spec) if len(split.validation) else None
        return self._set_fitted(Fitted(trainer.model_of(progress), spec, config, parts, columns, choices))

    def save(self, path: str | Path) -> None:
        """Make `path` a folder with the model: its configuration and weights, nothing pickled.

        A model that was saved there before is replaced, at once. Raises `ConfigurationError` when anything else is there or a
        part is of a class of your own, and `SavingError` when it cannot be written; what was there is untouched then.
        """
        from .folder import save_estimator

        check_is_fitted(self)
        save_estimator(path, self._fitted)

    @classmethod
    def load(cls, path: str | Path) -> VAE:
        """The estimator that `save` wrote, or the model of a folder that `lowerbound train` made; the same numbers, bit for bit.

        Its parameters are those of the configuration as resolved. Raises `ModelFolderError` when the folder is missing, torn,
        foreign or of a newer format.
        """
        from .folder import load_estimator
        from .parameters import parameters_of

        check_not_forked()
        fitted = load_estimator(path)
        return cls(**parameters_of(fitted.config, fitted.parts))._set_fitted(fitted)

    def _configuration(self, num_validation: int | None = None, kind: str | None = None) -> Asked:
        """- `num_validation`: of a person's own rows. `kind`: in place of the parameter of that name."""
        from .parameters import PARAMETERS, configuration_of

        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = seed_from(seed)
        elif not 0 <= seed <= LARGEST_SEED:
            raise ConfigurationError(
                f"random_state is {seed}; expected an integer from 0 to {LARGEST_SEED}, a RandomState, or None."
            )
        values = {name: getattr(self, name) for name in PARAMETERS} | {"random_state": seed}
        if num_validation is not None:
            values["validation"] = num_validation
        if kind is not None:
            values["kind"] = kind
        return configuration_of(values, self.config, _DEFAULTS, automatic=Boolean().convert("automatic", self.automatic))

    def _set_fitted(self, fitted: Fitted) -> VAE:
        model, spec, self.config_, self._parts, self.history_, self.choices_ = fitted
        # Training leaves its arrays laid out on its mesh, and a program would be compiled again for one loaded or unpickled.
        self.model_ = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)) if isinstance(leaf, jax.Array) else leaf, model)
        self.spec_ = spec
        self.n_features_in_ = spec.num_elements
        if spec.feature_names:
            self.feature_names_in_ = np.asarray(spec.feature_names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self


def _memory(config: Any) -> str:
    """`data.memory` of a `config`, whatever that is: what it may be is checked with everything else."""
    section = config.get("data") if isinstance(config, Mapping) else None
    return str(section.get("memory", "auto")) if isinstance(section, Mapping) else "auto"


_DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(VAE).parameters.items()}


def _print_sometimes(record: Record, epochs: int) -> None:
    every = max(1, epochs // _LINES_PER_FIT)
    if record.epoch % every == 0 or record.epoch >= epochs:
        validation = "" if np.isnan(record.validation_elbo_nats) else f"  validation {record.validation_elbo_nats:.2f}"
        sys.stdout.write(
            f"epoch {record.epoch:g}/{epochs}  ELBO in nats: train {record.train_elbo_nats:.2f}{validation}  "
            f"KL {record.train_kl_nats:.2f}  {record.examples_per_second:.0f} examples/s\n"
        )
