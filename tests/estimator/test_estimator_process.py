"""What a process pays for the estimator, and what a forked one is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Imported by JAX, NumPyro's distributions and scikit-learn's base anyway: 1.3 times as long is wanted, and these are the rest.
_IMPORT = """
import sys
from lowerbound import VAE
heavy = ("numpyro", "optax", "lowerbound.models", "lowerbound.evaluation", "lowerbound.training", "lowerbound.report")
print([name for name in heavy if name in sys.modules])
"""


def test_an_import_leaves_what_is_heavy_for_its_first_use() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import jax.numpy as jnp, numpy as np
from lowerbound import VAE
jnp.zeros(3).block_until_ready()
child = os.fork()
if child == 0:
    try:
        VAE(2).fit(np.zeros((10, 2)))
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_after_use_refuses_in_a_sentence() -> None:
    done = subprocess.run([sys.executable, "-c", _FORK], capture_output=True, text=True, check=True, timeout=120)
    told, status = done.stdout.splitlines()
    assert told.startswith("this process was forked from one that had used JAX already")
    assert "multiprocessing.get_context('spawn')" in told
    assert status == "7"
