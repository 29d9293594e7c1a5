from .annealing import AnnealedEstimate, Annealing, anneal, anneal_back, annealed_estimate
from .anomaly import SCORES, AnomalyScorer, check_score, fit_scorer
from .bidirectional import Sandwich, sandwich
from .calibration import Classification, classification
from .classes import check_infers_labels, class_probabilities, completed
from .comparison import Comparison, Contender, Contribution, Subject, check_comparable, compare, contribution, masses_of
from .completion import Completion, completion
from .conformal import (
    RATE,
    check_calibration,
    false_alarm_limits,
    flags_allowed,
    flags_at_false_alarm_rate,
    flags_at_false_discovery_rate,
    p_values,
    rows_needed,
)
from .estimates import BoundCurve, Estimate
from .evidence import EvidenceEstimate, estimate_evidence, own_streams
from .filling import as_recorded, points
from .hidden_cells import HiddenCells, hide_and_fill
from .holes import ColumnHoles, FilledHoles, fill_holes
from .imputation import Imputation, impute
from .inference_gap import InferenceGap, inference_gap
from .intervals import ColumnCoverage, Intervals, levels_of
from .joint_evidence import JointEvidence, JointSampling, JointWeights, joint_evidence, joint_weights
from .label_law import LABEL_SAMPLES, Label, label_of, label_probabilities, numbers_of_labels, without_column
from .label_peers import LabelledRows, peers
from .latent_table import LatentTable, latent_table
from .latents import (
    active_units,
    check_density,
    decode,
    in_blocks,
    kl_by_latent,
    posterior_draws,
    posterior_means,
    posterior_stds,
    sample,
)
from .methods import evaluate_by
from .pooling import PooledEstimates, pool_estimates
from .posterior_density import HarmonicEstimate, PosteriorDensity, harmonic_evidence, harmonic_record
from .proposals import AbstractProposal, Amortised, Defensive, Refined, Widened
from .reconstruction import Reconstruction, reconstruction
from .scores import Evaluation, evaluate
from .shares import element_shares, lost_nats
from .table_rows import GivenRows, sample_given, sample_rows
from .unfinished import Unfinished

__all__ = [
    "LABEL_SAMPLES",
    "RATE",
    "SCORES",
    "AbstractProposal",
    "Amortised",
    "AnnealedEstimate",
    "Annealing",
    "AnomalyScorer",
    "BoundCurve",
    "Classification",
    "ColumnCoverage",
    "ColumnHoles",
    "Comparison",
    "Completion",
    "Contender",
    "Contribution",
    "Defensive",
    "Estimate",
    "Evaluation",
    "EvidenceEstimate",
    "FilledHoles",
    "GivenRows",
    "HarmonicEstimate",
    "HiddenCells",
    "Imputation",
    "InferenceGap",
    "Intervals",
    "JointEvidence",
    "JointSampling",
    "JointWeights",
    "Label",
    "LabelledRows",
    "LatentTable",
    "PooledEstimates",
    "PosteriorDensity",
    "Reconstruction",
    "Refined",
    "Sandwich",
    "Subject",
    "Unfinished",
    "Widened",
    "active_units",
    "anneal",
    "anneal_back",
    "annealed_estimate",
    "as_recorded",
    "check_calibration",
    "check_comparable",
    "check_density",
    "check_infers_labels",
    "check_score",
    "class_probabilities",
    "classification",
    "compare",
    "completed",
    "completion",
    "contribution",
    "decode",
    "element_shares",
    "estimate_evidence",
    "evaluate",
    "evaluate_by",
    "false_alarm_limits",
    "fill_holes",
    "fit_scorer",
    "flags_allowed",
    "flags_at_false_alarm_rate",
    "flags_at_false_discovery_rate",
    "harmonic_evidence",
    "harmonic_record",
    "hide_and_fill",
    "impute",
    "in_blocks",
    "inference_gap",
    "joint_evidence",
    "joint_weights",
    "kl_by_latent",
    "label_of",
    "label_probabilities",
    "latent_table",
    "levels_of",
    "lost_nats",
    "masses_of",
    "numbers_of_labels",
    "own_streams",
    "p_values",
    "peers",
    "points",
    "pool_estimates",
    "posterior_draws",
    "posterior_means",
    "posterior_stds",
    "reconstruction",
    "rows_needed",
    "sample",
    "sample_given",
    "sample_rows",
    "sandwich",
    "without_column",
]
