from .autoencoder import Autoencoder, DenoisingAutoencoder, RegularisedAutoencoder, SparseAutoencoder
from .base import AbstractObjective, GradientEstimator, LossRecord, Need, recorded
from .dip import DIPVAEI, DIPVAEII
from .elbo import ELBO
from .importance_weighted import CIWAE, IWAE, MIWAE, PIWAE
from .mmd import InfoVAE, WassersteinAutoencoder
from .monte_carlo_em import MonteCarloEM
from .needs import check_needs, check_number, check_rows
from .renyi import RenyiBound
from .schedule import WarmUp
from .semi_supervised import SemiSupervisedELBO
from .total_correlation import BetaTCVAE
from .wake_sleep import WakeSleep

__all__ = [
    "CIWAE",
    "DIPVAEI",
    "DIPVAEII",
    "ELBO",
    "IWAE",
    "MIWAE",
    "PIWAE",
    "AbstractObjective",
    "Autoencoder",
    "BetaTCVAE",
    "DenoisingAutoencoder",
    "GradientEstimator",
    "InfoVAE",
    "LossRecord",
    "MonteCarloEM",
    "Need",
    "RegularisedAutoencoder",
    "RenyiBound",
    "SemiSupervisedELBO",
    "SparseAutoencoder",
    "WakeSleep",
    "WarmUp",
    "WassersteinAutoencoder",
    "check_needs",
    "check_number",
    "check_rows",
    "recorded",
]
