"""Both faces of passes have the same words."""

from __future__ import annotations

import inspect

import pytest

import swergio
import swergio.asyncio
from swergio.passes import AsyncProcess, AsyncPullback, Context, Process, Pullback


@pytest.mark.parametrize(
    ("plain", "awaited"),
    [
        (Process.__call__, AsyncProcess.__call__),
        (Process.vjp, AsyncProcess.vjp),
        (Pullback.__call__, AsyncPullback.__call__),
        (swergio.Component.process, swergio.asyncio.Component.process),
        (swergio.Component.forward, swergio.asyncio.Component.forward),
        (swergio.Component.loss, swergio.asyncio.Component.loss),
    ],
)
def test_the_signatures_agree(plain: object, awaited: object) -> None:
    assert inspect.signature(plain).parameters == inspect.signature(awaited).parameters  # type: ignore[arg-type]


def test_a_node_is_its_forward_function() -> None:
    model = swergio.Component("model", "memory://unused")

    @model.forward("features", "forecast")
    def predict(ctx: Context, x: float) -> float:
        """Say what comes."""
        ctx.save(x)
        ctx.save("more")
        return 2 * x

    ctx = Context()
    assert predict(ctx, 3.0) == 6.0
    assert ctx.saved == (3.0, "more")
    assert (predict.__name__, predict.__doc__) == ("predict", "Say what comes.")
    assert repr(predict) == "<Node predict from 'features' to 'forecast'>"
