"""The papers that a recipe or a run stands on, as BibTeX. Nothing here imports JAX."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import SECTIONS, RunConfig, keys_of_section
from ..config.catalogue import entry_of
from ..config.entry import AUTO, KINDS

_FILE = Path(__file__).parent / "references.toml"
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
    papers: list[str] = []
    for section in SECTIONS:
        own, values = getattr(config, section), config.to_dict()[section]
        name = values.get("name", "") if section in KINDS else ""
        if section in KINDS and name != AUTO:
            papers += entry_of(section, name).papers
        keys = keys_of_section(section, name)
        changed = {key for key in keys if getattr(own, key) != keys[key].default}
        for key, what in keys.items():
            if not what.only_with or what.only_with in changed:
                papers += what.papers_of(getattr(own, key))
    return list(dict.fromkeys(papers))


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
