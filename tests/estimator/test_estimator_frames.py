"""Data frames: column names in and out, and scikit-learn's own checks of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import estimator_checks

from lowerbound import VAE
from lowerbound.errors import DataError

pandas = pytest.importorskip("pandas")
SMALL = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 2, "random_state": 0, "automatic": False}
FRAME = pandas.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["height", "weight", "age"])


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(**SMALL).fit(FRAME)


# The checks also pass arrays where names are known and names where none are, of which scikit-learn warns, rightly.
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")
@pytest.mark.parametrize(
    "check",
    [
        "check_dataframe_column_names_consistency",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
    ],
)
def test_scikit_learn_check_of_frames(check):
    getattr(estimator_checks, check)("VAE", VAE(**SMALL))


def test_names_are_kept_and_compared(vae, tmp_path):
    assert vae.feature_names_in_.tolist() == ["height", "weight", "age"]
    assert vae.spec_.feature_names == ("height", "weight", "age")
    with pytest.raises(ValueError, match=r"feature names should match those that were passed during fit"):
        vae.transform(FRAME[["weight", "height", "age"]])
    with pytest.warns(UserWarning, match=r"X does not have valid feature names, but VAE was fitted with feature names"):
        vae.transform(FRAME.to_numpy())
    vae.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    assert loaded.feature_names_in_.tolist() == ["height", "weight", "age"]
    with pytest.raises(ValueError, match=r"feature names should match"):
        loaded.transform(FRAME[["weight", "height", "age"]])


def test_a_later_fit_to_an_array_forgets_the_names():
    fitted = VAE(**SMALL).fit(FRAME).fit(FRAME.to_numpy())
    assert not hasattr(fitted, "feature_names_in_")


def test_a_frame_comes_out_when_asked_for(vae):
    frame = VAE(**SMALL).set_output(transform="pandas").fit(FRAME).transform(FRAME)
    assert frame.columns.tolist() == ["vae0", "vae1"]
    np.testing.assert_array_equal(frame.to_numpy(), vae.transform(FRAME))


def test_columns_of_nullable_and_mixed_numbers(vae):
    mixed = FRAME.astype({"age": "Float64", "weight": "float32"})
    assert VAE(**SMALL).fit(mixed).n_features_in_ == 3
    mixed.loc[3, "age"] = pandas.NA
    with pytest.raises(TypeError, match=r"X: column 'age' has nan in row 3; expected finite numbers. Fill missing cells, encode"):
        VAE(**SMALL).fit(mixed)


@pytest.mark.parametrize(
    ("column", "got"),
    [
        (np.where(np.arange(40) == 5, np.nan, 1.0), "nan in row 5"),
        (pandas.date_range("2020", periods=40), "2020-01-01.* in row 0"),
        (["3", "x"] * 20, "x in row 1"),
    ],
)
def test_a_column_without_numbers_is_named(column, got):
    with pytest.raises(DataError, match=rf"X: column 'new' has .*{got}; expected finite .* X.drop\(columns=\['new'\]\)"):
        VAE(**SMALL).fit(FRAME.assign(new=column))


def test_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match=r"X has 2 columns named 'age'; expected a name of its own for each"):
        VAE(**SMALL).fit(FRAME.rename(columns={"height": "age"}))
