"""Processes as differentiable functions of PyTorch: ``loss.backward()`` goes through the rooms."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import swergio
import swergio.asyncio
from swergio import Phase
from swergio.testing import Inbox
from tests.bridges.conftest import Make, needs, over_wires

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    import swergio.torch

W = np.random.default_rng(0).normal(size=(3, 2))


@pytest.fixture(scope="module", autouse=True)
def framework() -> None:
    globals().update(zip(("torch", "nn", "bridge"), needs("torch", "torch.nn", "swergio.torch"), strict=True))
    torch.set_num_threads(1)


@pytest.fixture
def phases() -> Inbox:
    """
    What the served component is told of its passes: phase and meta forward, phase and gradient backward.
    """
    return Inbox()


@pytest.fixture
def remote(make: Make, phases: Inbox) -> swergio.torch.Remote:
    """
    ``tanh(x @ W)``, computed by a component without PyTorch.
    """
    model = make("model")

    @model.forward("x", "y")
    def predict(ctx: Any, x: Any) -> Any:
        y = np.tanh(x @ W)
        ctx.save(y)
        phases.put((ctx.phase, dict(ctx.meta), ctx.wants_feedback))
        return y

    @predict.backward
    def learn(ctx: Any, gradient: Any) -> Any:
        phases.put((ctx.phase, ctx.training))
        return (gradient * (1 - ctx.saved[0] ** 2)) @ W.T

    model.start()
    return swergio.torch.remote(make("trainer", max_open_passes=4).start(), "x", "y")


def here(x: Tensor) -> Tensor:
    """
    The same in this process.
    """
    return torch.tanh(x @ torch.tensor(W))


def inputs(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def assert_same_gradients(one: Any, other: Any, *tensors: Tensor) -> None:
    """
    Check that two losses have one value, and the same gradients by leaves.
    """
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)
    gradients = [torch.autograd.grad(loss, tensors) for loss in (one, other)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-12)


@over_wires
def test_a_remote_function_has_its_place_in_a_bigger_graph(remote: swergio.torch.Remote) -> None:
    torch.manual_seed(0)
    before, after = nn.Linear(4, 3).double(), nn.Linear(2, 1).double()
    x = inputs(5, 4)
    model = nn.Sequential(before, remote, after)
    assert len(list(model.parameters())) == 4
    loss, expected = model(x).exp().mean(), after(here(before(x))).exp().mean()
    assert_same_gradients(loss, expected, x, *model.parameters())


@over_wires
def test_one_graph_may_hold_several_calls(remote: swergio.torch.Remote) -> None:
    x, back = inputs(5, 3), torch.ones(2, 3, dtype=torch.float64)

    def loss(function: Any) -> Any:
        return (function(function(x) @ back) * function(2 * x)).sum() + x.prod()

    assert_same_gradients(loss(remote), loss(here), x)


def test_backward_comes_by_also_if_nobody_wants_the_gradient_of_the_input(
    remote: swergio.torch.Remote, phases: Inbox
) -> None:
    x = inputs(5, 3).detach()
    remote(x, meta={"day": 3}).sum().backward()
    assert phases.wait(2) == [(Phase.TRAIN, {"day": 3}, True), (Phase.TRAIN, True)]
    assert x.grad is None


@over_wires
def test_the_mode_is_the_phase(remote: swergio.torch.Remote, phases: Inbox) -> None:
    x = inputs(5, 3)
    assert_same_gradients(remote.eval()(x).sum(), here(x).sum(), x)
    with torch.no_grad():
        torch.testing.assert_close(remote(x), here(x))
        remote(x, phase=Phase.TRAIN)
    remote.train()(x, phase=Phase.VALIDATE).sum().backward()
    assert phases.wait(6) == [
        (Phase.VALIDATE, {}, True), (Phase.VALIDATE, False),
        (Phase.VALIDATE, {}, False), (Phase.TRAIN, {}, False),
        (Phase.VALIDATE, {}, True), (Phase.VALIDATE, False),
    ]  # fmt: skip


def test_a_graph_that_is_dropped_ends_its_passes(remote: swergio.torch.Remote) -> None:
    x = inputs(5, 3)
    gc.disable()  # reference counts alone must do
    try:
        for _ in range(20):
            remote(x, timeout=20)  # of which four may be open
    finally:
        gc.enable()


def test_a_pass_is_pulled_back_once(remote: swergio.torch.Remote) -> None:
    loss = remote(inputs(5, 3)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(swergio.PassFailed, match="called before"):
        loss.backward()


@over_wires
def test_structures_go_and_come(make: Make) -> None:
    model = make("model")

    @model.forward("x", "y")
    def predict(ctx: Any, x: Any) -> Any:
        ctx.save(x)
        return {"product": x["a"] * x["b"][0], "size": float(x["a"].sum()), "ids": np.arange(3), "name": x["name"]}

    @predict.backward
    def learn(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved
        assert gradient["ids"] is gradient["name"] is None
        return {
            "a": gradient["product"] * x["b"][0] + gradient["size"],
            "b": [(gradient["product"] * x["a"]).sum()],
            "name": None,
        }

    model.start()
    remote = swergio.torch.remote(make("trainer").start(), "x", "y")
    a, b = inputs(2, 3), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    y = remote({"a": a, "b": [b], "name": "storm"})
    assert y["ids"].tolist() == [0, 1, 2]
    assert not y["ids"].requires_grad
    assert y["name"] == "storm"
    assert_same_gradients(y["product"].sum() * y["size"], (a * b).sum() * a.sum(), a, b)


def test_no_gradient_is_none(make: Make) -> None:
    model = make("model")
    model.forward("x", "y")(lambda ctx, x: x).backward(lambda ctx, gradient: None)
    model.start()
    x = inputs(3)
    swergio.torch.remote(make("trainer").start(), "x", "y")(x).sum().backward()
    assert x.grad is None


def test_what_fails_on_the_way_back_is_raised_by_backward(make: Make) -> None:
    model = make("model")
    model.forward("x", "y")(lambda ctx, x: x).backward(lambda ctx, gradient: gradient[:1])
    model.forward("x", "broken")(lambda ctx, x: x).backward(lambda ctx, gradient: 1 / 0)
    model.start()
    trainer = make("trainer").start()
    with pytest.raises(swergio.PassFailed, match="ZeroDivisionError"):
        swergio.torch.remote(trainer, "x", "broken")(inputs(3)).sum().backward()
    with pytest.raises(ValueError, match=r"the gradient has the shape \(1,\), and what it belongs to \(3,\)"):
        swergio.torch.remote(trainer, "x", "y")(inputs(3)).sum().backward()


def test_a_component_that_is_awaited_is_refused() -> None:
    component: Any = swergio.asyncio.Component("trainer", "memory://nowhere")
    with pytest.raises(swergio.ConfigurationError, match=r"process\.vjp"):
        swergio.torch.remote(component, "x", "y")
