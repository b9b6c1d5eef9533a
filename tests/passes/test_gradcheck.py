"""The gradient check finds wrong gradients, and only those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.hub import HubThread
from swergio.testing import GradientMismatch, gradcheck

Process = Callable[..., Any]


@pytest.fixture
def process() -> Iterator[Callable[..., swergio.passes.Process]]:
    """
    A function that serves a forward and a backward function, and returns the process of it.
    """
    open_: list[swergio.Component] = []

    def serve(forward: Any, backward: Any) -> swergio.passes.Process:
        open_.extend(swergio.Component(name, hub.urls[0]) for name in ("model", "trainer"))
        model, trainer = open_
        model.forward("x", "y")(forward).backward(backward)
        model.start()
        return trainer.start().process("x", "y")

    with HubThread(["ws://127.0.0.1:0"]) as hub:
        yield serve
        for component in reversed(open_):
            component.close()


def square(ctx: Any, x: Any) -> Any:
    ctx.save(x)
    return x**2


def test_a_right_gradient_passes(process: Process) -> None:
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    before = x.copy()
    report = gradcheck(process(square, lambda ctx, gradient: 2 * ctx.saved[0] * gradient), x)
    assert report.checked == 6
    assert report.got == pytest.approx(report.expected)
    assert np.array_equal(x, before)


def test_a_wrong_gradient_names_the_worst_entry(process: Process) -> None:
    def wrong(ctx: Any, gradient: Any) -> Any:
        right = 2 * ctx.saved[0] * gradient
        right[1, 2] += 1
        right[0, 0] += 0.5
        return right

    with pytest.raises(GradientMismatch, match=r"2 of 6 gradients are wrong; the worst is that of x\[1, 2\]") as caught:
        gradcheck(process(square, wrong), np.linspace(-1, 1, 6).reshape(2, 3))
    report = caught.value.report
    assert report.got == pytest.approx(report.expected + 1)


def test_a_gradient_that_is_not_a_number_is_wrong(process: Process) -> None:
    with pytest.raises(GradientMismatch, match="nan"):
        gradcheck(process(square, lambda ctx, gradient: gradient * np.nan), np.ones(2))


def test_structures_are_compared_part_by_part(process: Process) -> None:
    def forward(_ctx: Any, x: Any) -> Any:
        return {"product": x["a"] * x["b"][0], "b": x["b"]}

    def wrong(_ctx: Any, gradient: Any) -> Any:
        return {"a": gradient["product"] * 3, "b": [gradient["product"] @ np.ones(2) + gradient["b"][0] + 5]}

    with pytest.raises(GradientMismatch, match=r"the worst is that of x\['b'\]\[0\]"):
        gradcheck(process(forward, wrong), {"a": np.ones(2), "b": [3.0]}, cotangent={"product": np.ones(2), "b": [1.0]})


def test_samples_and_a_number_as_the_input(process: Process) -> None:
    served = process(square, lambda ctx, gradient: 2 * ctx.saved[0] * gradient)
    assert gradcheck(served, np.ones(100), samples=5).checked == 5
    assert gradcheck(served, 3).checked == 1


def test_single_precision_wants_larger_steps(process: Process) -> None:
    served = process(square, lambda ctx, gradient: 2 * ctx.saved[0] * gradient)
    assert gradcheck(served, np.ones(3, np.float32), eps=1e-2, rtol=1e-2).checked == 3


def test_a_gradient_of_another_shape_is_told(process: Process) -> None:
    with pytest.raises(ValueError, match=r"the gradient has the shapes .*\(3,\).* and .*\(2,\).* were expected"):
        gradcheck(process(square, lambda ctx, gradient: np.ones(3)), np.ones(2))


def test_no_gradient_is_told(process: Process) -> None:
    with pytest.raises(ValueError, match="the gradient is None"):
        gradcheck(process(square, lambda ctx, gradient: None), np.ones(2))


@pytest.mark.parametrize("x", ["text", np.array([1, 2]), np.array([1j])])
def test_what_cannot_be_moved_is_refused(process: Process, x: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        gradcheck(process(square, square), x)
