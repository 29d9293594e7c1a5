"""What the keys of a network with hidden layers must agree on, and the decoder's side of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError

# Of a decoder: the encoder in the other direction.
MIRRORED = "mirrored"
# Of initial weights: each layer's own scale.
FAN_IN = "fan-in"
ACTIVATIONS = ("elu", "tanh", "relu", "silu", "gelu", "softplus")


def widths_of_decoder(values: Mapping[str, Any]) -> tuple[int, ...]:
    """Units in each hidden layer of the decoder, from z on."""
    widths = values["decoder_widths"]
    return tuple(values["hidden_widths"])[::-1] if widths == MIRRORED else tuple(widths)


def of_decoder(network: Any) -> Any:
    """The same section for the decoder: its own widths; a list of activations keeps its order, from input to output."""
    if "decoder_widths" not in network.values:
        return network
    return network.replaced(hidden_widths=widths_of_decoder(network.values), decoder_widths=MIRRORED)


def check_activations(section: str, values: Mapping[str, Any]) -> None:
    """Refuse a list of activations that does not have one name for each hidden layer, of the encoder and of the decoder."""
    activations = values["activations"]
    if isinstance(activations, str):
        return
    for key, widths in (("hidden_widths", values["hidden_widths"]), ("decoder_widths", widths_of_decoder(values))):
        if len(activations) != len(widths):
            raise ConfigurationError(
                f"{section}.activations is {list(activations)} ({len(activations)} names) but {section}.{key} is "
                f"{list(widths)} ({len(widths)} layers); expected one name for each hidden layer, "
                f"or one name for all, for example {section}.activations=elu."
            )
