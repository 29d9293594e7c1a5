from .evidence import EvidenceEstimate, estimate_evidence
from .latents import active_units, decode, kl_by_latent, posterior_means, sample
from .scores import Evaluation, evaluate

__all__ = [
    "Evaluation",
    "EvidenceEstimate",
    "active_units",
    "decode",
    "estimate_evidence",
    "evaluate",
    "kl_by_latent",
    "posterior_means",
    "sample",
]
