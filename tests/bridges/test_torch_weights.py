"""What a served module keeps of passes that wait for their gradient, while its weights change."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import swergio
from swergio.passes import ledger
from swergio.testing import Inbox, eventually
from tests.bridges.conftest import Make, over_wires
from tests.bridges.test_torch_serving import G, X, assert_same, framework, local, net, serve, sgd

if TYPE_CHECKING:
    import torch
    from torch import nn

    import swergio.torch

__all__ = ["framework"]


@pytest.fixture(scope="module", autouse=True)
def names(framework: None) -> None:  # noqa: ARG001 - PyTorch is imported, or these tests are skipped
    import torch

    globals().update(torch=torch, nn=torch.nn)


def assert_stepped(module: nn.Module, at_first: nn.Module, steps: float) -> None:
    """
    Check that a module took so many steps with the gradients of its first weights.
    """
    for weight, first in zip(module.parameters(), at_first.parameters(), strict=True):
        assert first.grad is not None
        assert_same([weight.detach()], [(first - 0.1 * steps * first.grad).detach()])


@over_wires
def test_open_passes_keep_the_weights_that_they_went_through(make: Make) -> None:
    module = net(3, 4, 2)
    at_first = copy.deepcopy(module)
    process, node = serve(make, module, sgd(module), max_stale=9)
    pullbacks = [process.vjp(X)[1] for _ in range(3)]
    gradients = [pullback(G) for pullback in reversed(pullbacks)]
    assert_same(gradients, [local(at_first, X, G)[1]] * 3)
    assert_stepped(module, at_first, 3)
    assert node.version == 3


def test_a_recurrent_module_keeps_them_too(make: Make) -> None:
    module = nn.LSTM(3, 4, batch_first=True).double()
    at_first = copy.deepcopy(module)
    process, _ = serve(make, module, sgd(module))
    first, second = (process.vjp(X[None])[1] for _ in range(2))
    gradient = [np.ones((1, 5, 4)), None]
    x = torch.tensor(X[None], requires_grad=True)
    at_first(x)[0].sum().backward()
    assert_same([first(gradient), second(gradient)], [x.grad, x.grad])
    assert_stepped(module, at_first, 2)


@pytest.mark.parametrize("how", ["one gradient", "many weights"])
def test_passes_that_come_one_at_a_time_copy_no_weights(make: Make, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "many weights":
        monkeypatch.setattr(ledger, "SPARE_BYTES", 63)  # of which this module has 64
    module = net(3, 2)
    process, _ = serve(make, module, sgd(module), gradients=1 if how == "one gradient" else None)
    places = [weight.data_ptr() for weight in module.parameters()]
    for _ in range(3):
        process.vjp(X)[1](G)
    assert [weight.data_ptr() for weight in module.parameters()] == places


def test_one_component_may_give_two_gradients(make: Make) -> None:
    module = net(3, 2)
    at_first = copy.deepcopy(module)
    model, judge, source = make("model"), make("judge"), make("source")
    swergio.torch.serve(model, module, sgd(module), "x", "y")
    judge.loss("y", name="cost")(lambda ctx, y: (0.0, G))
    judge.loss("y", name="comfort")(lambda ctx, y: (0.0, 2 * G))
    came = Inbox()
    source.on("x", "DATA/GRADIENT")(came.take_data)
    for component in (judge, model, source):
        component.start()
    source.send("x", X, type="DATA/FORWARD")
    expected = local(at_first, X, G)[1]
    assert_same(came.wait(2), [expected, 2 * expected])
    assert_stepped(module, at_first, 3)


def test_a_pass_that_has_ended_keeps_nothing_in_memory(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[weakref.ref[Any]] = []
    save = swergio.Context.save

    def note(ctx: swergio.Context, trace: Any) -> None:
        assert trace.nbytes >= X.nbytes  # what open passes may keep is bounded, so they must say it
        traces.append(weakref.ref(trace))
        save(ctx, trace)

    monkeypatch.setattr(swergio.Context, "save", note)
    module = net(3, 4, 2)
    process, _ = serve(make, module, sgd(module), gradients=1)
    gc.disable()  # autograd's graphs are no business of the garbage collector
    try:
        for _ in range(5):
            process.vjp(X)[1](G)
        assert len(traces) == 5
        # The dispatching thread holds what it handled last.
        eventually(lambda: sum(trace() is not None for trace in traces) <= 1, "the traces are gone", 10)
    finally:
        gc.enable()


def test_stale_feedback_is_refused_as_the_node_says(make: Make) -> None:
    module = net(3, 2)
    process, _ = serve(make, module, sgd(module), max_stale=0)
    first, second = process.vjp(X)[1], process.vjp(X)[1]
    first(G)
    with pytest.raises(swergio.PassFailed, match="stale feedback: 'Sequential' was updated 1 times since"):
        second(G)


def test_each_of_several_gradients_goes_back_through_the_same_weights(make: Make) -> None:
    module = net(3, 2)
    at_first = copy.deepcopy(module)
    model, trainer = make("model"), make("trainer")
    swergio.torch.serve(model, module, sgd(module), "x", "y")
    for name in ("cost", "comfort"):
        judge = make(name)
        judge.loss("y")(lambda ctx, y: (0.0, G))
        judge.start()
    model.start()
    came = Inbox()
    trainer.on("x", "DATA/GRADIENT")(came.take_data)
    trainer.start().send("x", X, type="DATA/FORWARD")
    expected = local(at_first, X, G)[1]
    assert_same(came.wait(2), [expected, expected])
    assert_stepped(module, at_first, 2)
