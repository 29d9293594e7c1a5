"""The papers that a recipe or a run stands on, as BibTeX. Nothing here imports JAX."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import RunConfig
from ..config.catalogue import AUTOMATIC, CATALOGUE

_FILE = Path(__file__).parent / "references.toml"
_OPTIMIZERS = {"adam": ("kingma2015adam",), "adamw": ("kingma2015adam", "loshchilov2019"), "adagrad": ("duchi2011",)}
_VENUES = {"inproceedings": "booktitle", "article": "journal", "book": "publisher", "misc": "howpublished"}


@functools.cache
def references() -> Mapping[str, Mapping[str, Any]]:
    """Every paper by its key: `kind`, `authors`, `title`, `venue`, `year`, `identifier`.

    >>> references()["kingma2014"]["year"]
    2014
    """
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def papers_of(config: RunConfig) -> list[str]:
    """The keys of the papers behind the parts that a configuration uses, each once, in the order of the parts."""
    named = [(kind, getattr(config, kind).name) for kind in CATALOGUE]
    keys = [key for kind, name in named if name != AUTOMATIC.get(kind) for key in CATALOGUE[kind][name].papers]
    objective = config.objective
    extras = {
        "kim2018": config.posterior.refinement_steps > 0,
        "sonderby2016": objective.warmup_epochs > 0 and objective.warmup == "linear",
        "fu2019": objective.warmup_epochs > 0 and objective.warmup == "cyclical",
        "higgins2017": objective.beta != 1 and objective.name == "elbo" and objective.capacity_nats == 0,
        "burgess2018": objective.capacity_nats > 0,
        "kingma2016": objective.free_nats > 0,
        "roeder2017": objective.gradient == "stl",
        "tucker2019": objective.gradient == "dreg",
        "srivastava2014": config.network.dropout > 0,
        "ba2016": config.network.layer_norm,
        "rybkin2021": config.likelihood.scale == "optimal",
    }
    keys += [key for key, is_used in extras.items() if is_used]
    keys += _OPTIMIZERS.get(config.training.optimizer, ())
    return list(dict.fromkeys(keys))


def bibtex(keys: Iterable[str]) -> str:
    """BibTeX entries of some papers, and of this package, which comes last; a part of your own may name one unknown here."""
    known = references()
    entries = [_entry(key, known[key]) if key in known else f"% {key}: named by a part of your own" for key in keys]
    own = {
        "kind": "misc",
        "authors": "{The lowerbound developers}",
        "title": "lowerbound: variational autoencoders whose numbers can be trusted",
        "venue": f"Software, version {__version__}",
    }
    return "\n\n".join([*entries, _entry("lowerbound", own)]) + "\n"


def one_line(reference: Mapping[str, Any]) -> str:
    """Authors (year), title, identifier."""
    identifier = f", {reference['identifier']}" if reference.get("identifier") else ""
    return f"{reference['authors']} ({reference['year']}), {reference['title']}{identifier}"


def _entry(key: str, reference: Mapping[str, Any]) -> str:
    kind = reference.get("kind", "misc")
    identifier = str(reference.get("identifier", ""))
    fields = {
        "author": " and ".join(part.strip() for part in reference["authors"].replace(" and ", ", ").split(", ") if part.strip()),
        "title": "{" + reference["title"] + "}",
        _VENUES[kind]: reference.get("venue", ""),
        "year": str(reference.get("year", "")),
    }
    if identifier.startswith("arXiv:"):
        fields |= {"eprint": identifier.removeprefix("arXiv:"), "archiveprefix": "arXiv"}
    elif identifier.startswith("doi:"):
        fields["doi"] = identifier.removeprefix("doi:")
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"
