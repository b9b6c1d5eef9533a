"""Fan-out, fan-in, and processes with several producers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox, eventually, gradcheck
from tests.passes.conftest import Make

X = np.array([1.0, -2.0, 3.0])


def scaling(make: Make, name: str, source: str, sink: str, factor: float, **how: Any) -> Any:
    """
    Start a component with a node that multiplies by ``factor``.
    """
    component = make(name)
    node = component.forward(source, sink, **how)(lambda ctx, x: x * factor)
    node.backward(lambda ctx, gradient: gradient * factor)
    return component.start()


def judging(make: Make, name: str, room: str, slope: float) -> Any:
    """
    Start a component with a loss whose gradient is ``slope`` everywhere.
    """
    component = make(name)
    component.loss(room, name=name)(lambda ctx, y: (slope * y.sum(), np.full_like(y, slope)))
    return component.start()


def learning(make: Make, inbox: Inbox, **how: Any) -> Any:
    """
    Start a model that notes the gradients that it is given.
    """
    model = make("model")
    node = model.forward("features", "forecast", **how)(lambda ctx, x: x)

    def learn(_ctx: Any, gradient: Any) -> Any:
        inbox.put(gradient.tolist())
        return gradient

    node.backward(learn)
    return model.start()


def feed(make: Make, inbox: Inbox) -> Any:
    """
    Start a component that sends X forward to be learned from, and notes what comes back.
    """
    source = make("source")
    source.on("features", "DATA/GRADIENT")(lambda message: inbox.put(message.data.tolist()))
    source.start()
    source.send("features", X, type="DATA/FORWARD")
    return source


# -- fan-out


def test_each_gradient_is_applied_as_it_comes(make: Make) -> None:
    inbox, returned = Inbox(), Inbox()
    model = learning(make, inbox)
    judges = [judging(make, f"judge-{slope}", "forecast", slope) for slope in (1.0, 10.0)]
    feed(make, returned)
    assert sorted(inbox.wait(2)) == [[1.0] * 3, [10.0] * 3]
    assert sorted(returned.wait(2)) == [[1.0] * 3, [10.0] * 3]
    assert model._keeper.nodes.owed == 0
    assert len(judges) == 2


@pytest.mark.parametrize("gradients", [2, "members"])
def test_gradients_are_summed_before_they_are_applied(make: Make, gradients: Any) -> None:
    inbox, returned = Inbox(), Inbox()
    judging(make, "judge-1", "forecast", 1.0)
    judging(make, "judge-2", "forecast", 10.0)
    watcher = make("watcher").start()
    watcher.join("forecast", observe=True)  # sees the feedback, and owes none
    idle = make("idle").start()
    idle.join("forecast", lossy=True)  # may miss messages, so that it cannot owe feedback on them
    model = learning(make, inbox, gradients=gradients)
    feed(make, returned)
    assert returned.wait(1) == [[11.0] * 3]
    assert inbox.items == [[11.0] * 3]
    assert model._keeper.nodes.owed == 0


def test_a_member_that_joins_late_counts_from_the_next_message_on(make: Make) -> None:
    inbox, returned = Inbox(), Inbox()
    judging(make, "judge-1", "forecast", 1.0)
    learning(make, inbox, gradients="members")
    source = feed(make, returned)
    returned.wait(1)
    judging(make, "judge-2", "forecast", 10.0)
    source.send("features", X, type="DATA/FORWARD")
    assert returned.wait(2) == [[1.0] * 3, [11.0] * 3]


def test_a_sum_of_nobody_fails(make: Make) -> None:
    learning(make, Inbox(), gradients="members")
    trainer = make("trainer").start()
    with pytest.raises(swergio.PassFailed, match="wants feedback of all members, and there is none"):
        trainer.process("features", "elsewhere").vjp(X, timeout=10)


def test_a_member_that_leaves_fails_the_sum_with_its_name(make: Make) -> None:
    inbox = Inbox()
    mute = make("mute")
    mute.on("forecast")(inbox.take_data)
    mute.start()
    judging(make, "judge", "forecast", 1.0)
    learning(make, Inbox(), gradients=3)
    process = make("trainer").start().process("features", "forecast")
    _, pullback = process.vjp(X)
    inbox.wait(1)
    mute.close()
    with pytest.raises(swergio.PassFailed, match=r"mute#\w+ left before answering") as caught:
        pullback(X, 10)
    assert caught.value.missing == (mute.instance,)


def test_a_partial_sum_is_applied_without_the_one_that_left(make: Make) -> None:
    seen, inbox, returned = Inbox(), Inbox(), Inbox()
    mute = make("mute")
    mute.on("forecast")(seen.take_data)
    mute.start()
    judging(make, "judge", "forecast", 1.0)
    model = learning(make, inbox, gradients="members", partial=True)
    feed(make, returned)
    seen.wait(1)
    records = model._keeper.nodes._owed.records  # a record is opened after its message was sent
    eventually(lambda: [record.got for record in list(records.values())] == [1], "the judge has answered")
    assert returned.items == []
    mute.close()
    assert returned.wait(1) == [[1.0] * 3]


def test_a_partial_sum_is_applied_at_its_deadline(make: Make) -> None:
    inbox, returned = Inbox(), Inbox()
    judging(make, "judge", "forecast", 1.0)
    model = learning(make, inbox, gradients=2, partial=True, timeout=0.3)
    feed(make, returned)
    assert returned.wait(1) == [[1.0] * 3]
    assert model.stats.expired_passes == 1


def test_gradients_that_cannot_be_added_fail_the_pass(make: Make) -> None:
    model = learning(make, Inbox(), gradients=2)
    judge = make("judge")
    judge.loss("forecast")(lambda ctx, y: (0.0, np.ones(7)))
    judge.start()
    _, pullback = make("trainer").start().process("features", "forecast").vjp(X)
    with pytest.raises(swergio.PassFailed, match="ValueError: gradients of the shapes"):
        pullback(X, 10)
    assert model.stats.failed == 1


# -- fan-in


def diamond(make: Make) -> None:
    """
    Start three components: from "features" to "a" and to "b", and from both of these to "forecast".
    """
    scaling(make, "left", "features", "a", 2.0)
    right, last = make("right"), make("last")

    @right.forward("features", "b")
    def square(ctx: Any, x: Any) -> Any:
        ctx.save(x)
        return x**2

    @square.backward
    def double(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved
        return 2 * x * gradient

    @last.forward(("a", "b"), "forecast")
    def multiply(ctx: Any, a: Any, b: Any) -> Any:
        ctx.save(a, b)
        return a * b

    @multiply.backward
    def both(ctx: Any, gradient: Any) -> Any:
        a, b = ctx.saved
        return gradient * b, gradient * a

    right.start()
    last.start()


def test_fan_in_joins_by_pass_and_returns_a_gradient_for_each_input(make: Make) -> None:
    diamond(make)
    process = make("trainer").start().process("features", "forecast", gradients=2)
    y, pullback = process.vjp(X)
    assert np.array_equal(y, 2 * X**3)
    assert np.array_equal(pullback(np.ones(3)), 6 * X**2)


def test_the_gradients_of_a_diamond_are_those_of_its_function(make: Make, face: str) -> None:
    if face == "asyncio":
        pytest.skip("gradcheck takes a plain process")
    diamond(make)
    report = gradcheck(make("trainer").start().process("features", "forecast", gradients=2), X)
    assert report.checked == 3


def test_a_gradient_with_more_parts_than_said_is_told_by_the_next_call(make: Make) -> None:
    diamond(make)
    trainer = make("trainer").start()
    process = trainer.process("features", "forecast")
    y, pullback = process.vjp(X)
    pullback(y)
    eventually(lambda: trainer.stats.unmatched_feedback == 1, "the second gradient is there")
    with pytest.raises(swergio.PassFailed, match="say gradients=n to have n of them summed"):
        process(X)
    process(X)


def test_an_input_that_never_comes_fails_the_pass(make: Make) -> None:
    join = make("join")
    join.forward(("features", "never"), "forecast", timeout=0.2)(lambda ctx, a, b: a + b)
    join.start()
    with pytest.raises(swergio.PassFailed, match=r"nothing of this pass came to '.*' from never"):
        make("trainer").start().process("features", "forecast").vjp(X, timeout=10)
    assert join.stats.expired_passes == 1


def test_fan_in_needs_a_gradient_for_each_input(make: Make) -> None:
    scaling(make, "left", "features", "a", 2.0)
    scaling(make, "right", "features", "b", 3.0)
    join = make("join")
    node = join.forward(("a", "b"), "forecast")(lambda ctx, a, b: a + b)
    node.backward(lambda ctx, gradient: gradient)
    join.start()
    _, pullback = make("trainer").start().process("features", "forecast").vjp(X)
    with pytest.raises(swergio.PassFailed, match="must return one gradient for each source, 2"):
        pullback(X, 10)


# -- several producers


def test_a_second_producer_makes_a_process_ambiguous(make: Make) -> None:
    models = [scaling(make, f"model-{factor}", "features", "forecast", factor) for factor in (2.0, 3.0)]
    trainer = make("trainer").start()
    process = trainer.process("features", "forecast")
    with pytest.raises(swergio.AmbiguousProcess, match=r"model-.* and model-.* both produced") as caught:  # noqa: PT012
        _, pullback = process.vjp(X, timeout=10)
        eventually(lambda: trainer.stats.received >= 2, "both products are there")
        pullback(X)
    assert sorted(caught.value.producers) == sorted(model.instance for model in models)


def test_a_second_product_that_comes_late_is_told_by_the_next_call(make: Make) -> None:
    for factor in (2.0, 3.0):
        scaling(make, f"model-{factor}", "features", "forecast", factor)
    trainer = make("trainer").start()
    process = trainer.process("features", "forecast")
    with pytest.raises(swergio.AmbiguousProcess):  # noqa: PT012
        process(X, timeout=10)
        eventually(lambda: trainer.stats.received >= 2, "both products are there")
        process(X, timeout=10)


@pytest.mark.parametrize(("combine", "slope"), [("sum", 5.0), ("mean", 2.5)])
def test_products_are_combined_and_the_gradient_goes_to_each_producer(make: Make, combine: Any, slope: float) -> None:
    for factor in (2.0, 3.0):
        scaling(make, f"model-{factor}", "features", "forecast", factor)
    process = make("trainer").start().process("features", "forecast", combine=combine, producers=2)
    y, pullback = process.vjp(X, timeout=10)
    assert np.allclose(y, slope * X)
    assert np.allclose(pullback(np.ones(3), 10), np.full(3, slope))


def test_the_first_product_is_taken_and_others_are_ignored(make: Make) -> None:
    for factor in (2.0, 3.0):
        scaling(make, f"model-{factor}", "features", "forecast", factor)
    trainer = make("trainer").start()
    process = trainer.process("features", "forecast", combine="first")
    for calls in range(1, 5):
        y, pullback = process.vjp(X, timeout=10)
        factor = y[0] / X[0]
        assert np.array_equal(pullback(np.ones(3), 10), np.full(3, factor))
        eventually(lambda calls=calls: trainer.stats.received >= 3 * calls, "both products were there")  # type: ignore[misc]


def test_products_that_are_missing_are_counted(make: Make) -> None:
    scaling(make, "model", "features", "forecast", 2.0)
    process = make("trainer").start().process("features", "forecast", combine="sum", producers=2)
    with pytest.raises(swergio.PassTimeout, match=r"no product of the pass \(1 of 2 came\) in 'forecast' after 0.3 s"):
        process(X, timeout=0.3)


# -- what is refused when it is declared


@pytest.mark.parametrize(
    "wrong",
    [
        {"combine": "median"},
        {"producers": 2},
        {"producers": 0},
        {"gradients": 0},
        {"gradients": "some"},
        {"gradients": True},
    ],
)
def test_wrong_arguments_of_a_process_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(swergio.ConfigurationError, match=next(iter(wrong))):
        swergio.Component("trainer", "memory://unused").process("features", "forecast", **wrong)


@pytest.mark.parametrize(
    ("rooms", "how"),
    [
        (("a", "a"), {}),
        ((("a", "a"), "b"), {}),
        (((), "b"), {}),
        (("a", "_logging"), {}),
        (("a", "b"), {"partial": True}),
        (("a", "b"), {"gradients": 0}),
    ],
)
def test_wrong_arguments_of_a_node_are_refused(rooms: tuple[Any, Any], how: dict[str, Any]) -> None:
    with pytest.raises(swergio.ConfigurationError):
        swergio.Component("model", "memory://unused").forward(*rooms, **how)
