"""`lowerbound verify`: the oracles on this machine, each figure beside its truth."""

from __future__ import annotations

import time

from ..errors import VerificationError
from .app import Json, app
from .console import print_json, result_console
from .runtime import prepare_jax


@app.command(epilog="Example: lowerbound verify")
def verify(json: Json = False) -> None:
    """Check on this machine and device that the numbers are right: figures whose truth is known, each beside it."""
    prepare_jax()
    import jax
    from rich.text import Text

    from ..verification import Figure, verify

    device = jax.devices()[0]
    where = f"{device.platform} ({device.device_kind}), jax {jax.__version__}"
    console = result_console()
    last = ""

    def show(check: str, figure: Figure) -> None:
        nonlocal last
        if json:
            return
        if check != last:
            console.print(Text(f"\n{check}", "bold"), soft_wrap=True)
            last = check
        mark = ("right", "green") if figure.is_right else ("WRONG", "bold red")
        unit = f" {figure.unit}" if figure.unit else ""
        truth = f"{_text(figure.value)}{unit}, truth {_text(figure.truth)} ± {figure.tolerance:.2g}"
        console.print(Text.assemble("  ", mark, f"  {figure.subject}: {figure.name} {truth}"), soft_wrap=True)

    start = time.perf_counter()
    found = verify(show)
    seconds = time.perf_counter() - start
    figures = [figure for group in found.values() for figure in group]
    wrong = [figure for figure in figures if not figure.is_right]
    if json:
        checks = {name: [figure.to_json() for figure in group] for name, group in found.items()}
        print_json({"device": where, "seconds": seconds, "num_wrong": len(wrong), "checks": checks})
    else:
        console.print(
            f"\n{len(figures) - len(wrong)} of {len(figures)} figures are right, on {where}, in {seconds:.0f} s.", soft_wrap=True
        )
    if wrong:
        first = wrong[0]
        raise VerificationError(
            f"{len(wrong)} of {len(figures)} figures are WRONG on {where}, the first of them {first.subject}: {first.name} is "
            f"{_text(first.value)}, but {_text(first.truth)} ± {first.tolerance:.2g} is right. Do not trust numbers computed "
            "here: try another version of jax (pip install -r requirements/runtime.txt has the tested ones) or another device "
            "(JAX_PLATFORMS=cpu)."
        )


def _text(value: float) -> str:
    return f"{value:.6g}"
