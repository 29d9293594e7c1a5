"""Models of configurations that may still say "auto"."""

from typing import Any

import lowerbound.assembly.build as assembly
from lowerbound.config import RunConfig
from lowerbound.config.context import BuildContext
from lowerbound.data.spec import DataSpec


def build_model(config: RunConfig, spec: DataSpec, *args: Any, **kwargs: Any) -> Any:
    """The model of the configuration as this description resolves it."""
    return assembly.build_model(assembly.resolve(config, spec), spec, *args, **kwargs)


def build_context(config: RunConfig, spec: DataSpec, *args: Any, **kwargs: Any) -> BuildContext:
    """What the parts of the configuration are told."""
    return assembly.build_context(assembly.resolve(config, spec), spec, *args, **kwargs)
