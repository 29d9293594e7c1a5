"""The page from parts to a number, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "from-parts-to-a-number.md"


# No coverage: the oracles run the same code.
@pytest.mark.no_cover
@pytest.mark.long
def test_the_page_runs_and_its_number_is_the_library_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    assert len([line for line in code.splitlines() if line.strip() and not re.match(r"import |from ", line)]) <= 40
    names: dict[str, Any] = {}
    # As for users: Optax's Adam takes powers of floats by a count.
    with jax.numpy_dtype_promotion("standard"):
        exec(compile(code, PAGE.name, "exec"), names)
    number, difference = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"log p\(x\) = -\d+\.\d\d ± \d\.\d\d nats per example", number)
    assert difference.startswith("less the library's own: ")
    # It has learned something: pixels that know nothing of each other are far behind.
    share = names["train"].mean(axis=0).clip(0.001, 0.999)
    pixels = (names["test"] * np.log(share) + (1 - names["test"]) * np.log1p(-share)).sum(axis=1)
    assert names["evidence"].mean() > pixels.mean() + 3
