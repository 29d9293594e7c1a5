"""Where the command line keeps compiled programs."""

from __future__ import annotations

from pathlib import Path

import jax
import platformdirs
import pytest

from lowerbound.cli.runtime import prepare_jax

_OPTIONS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_enable_xla_caches",
)


@pytest.mark.parametrize("own", [None, "elsewhere"])
def test_compiled_programs_lie_in_the_users_cache_or_where_jax_was_told(own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests keep theirs elsewhere (`tests/conftest.py`).
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    if own is not None:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", own)
    before = {name: getattr(jax.config, name) for name in _OPTIONS}
    try:
        prepare_jax()
        after = {name: getattr(jax.config, name) for name in _OPTIONS}
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
    users = str(Path(platformdirs.user_cache_dir("lowerbound")) / "compiled")
    assert after == (dict(zip(_OPTIONS, (users, 0.2, "none"), strict=True)) if own is None else before)
