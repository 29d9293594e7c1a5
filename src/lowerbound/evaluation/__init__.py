from .estimates import BoundCurve, Estimate
from .evidence import EvidenceEstimate, estimate_evidence
from .latents import active_units, decode, kl_by_latent, posterior_means, sample
from .proposals import AbstractProposal, Amortised, Defensive, Refined, Widened
from .scores import Evaluation, evaluate

__all__ = [
    "AbstractProposal",
    "Amortised",
    "BoundCurve",
    "Defensive",
    "Estimate",
    "Evaluation",
    "EvidenceEstimate",
    "Refined",
    "Widened",
    "active_units",
    "decode",
    "estimate_evidence",
    "evaluate",
    "kl_by_latent",
    "posterior_means",
    "sample",
]
