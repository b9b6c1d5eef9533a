"""How passes fail: with the reason, the names of those who are missing, and without leaving anything behind."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox, eventually
from tests.passes.conftest import Make

X = np.array([1.0, -2.0, 3.0])


def node(make: Make, name: str, source: str, sink: str, forward: Any, backward: Any = None, **how: Any) -> Any:
    component = make(name, **how)
    made = component.forward(source, sink)(forward)
    if backward is not None:
        made.backward(backward)
    return component.start()


def identity(_ctx: Any, x: Any) -> Any:
    return x


def broken(_ctx: Any, x: Any) -> Any:
    if np.isnan(x).any():
        raise ValueError("not a number")
    return x


@pytest.mark.parametrize("call", ["forward only", "vjp"])
def test_a_forward_function_that_raises_fails_the_pass_and_the_node_goes_on(make: Make, call: str) -> None:
    first = node(make, "first", "features", "middle", identity, identity)
    second = node(make, "second", "middle", "forecast", broken, identity)
    process = make("trainer").start().process("features", "forecast")
    with pytest.raises(swergio.PassFailed, match=r"'broken' of second#\w+ raised ValueError: not a number"):
        (process if call == "forward only" else process.vjp)(X * np.nan, timeout=10)
    assert np.array_equal(process(X), X)
    assert second.stats.failed == 1
    assert first._keeper.nodes.owed == 0


def test_a_backward_function_that_raises_fails_the_pass(make: Make) -> None:
    node(make, "first", "features", "middle", identity, identity)
    second = node(make, "second", "middle", "forecast", identity, broken)
    process = make("trainer").start().process("features", "forecast")
    _, pullback = process.vjp(X)
    with pytest.raises(swergio.PassFailed, match=r"'identity' of second#\w+ raised ValueError: not a number"):
        pullback(X * np.nan, 10)
    _, pullback = process.vjp(X)
    assert np.array_equal(pullback(X), X)
    assert second.stats.failed == 1


def test_an_input_that_cannot_travel_is_refused_and_takes_no_slot(make: Make) -> None:
    node(make, "model", "features", "forecast", identity, identity)
    process = make("trainer", max_open_passes=1).start().process("features", "forecast")
    for _ in range(2):
        with pytest.raises(swergio.UnsupportedBody):
            process.vjp(object(), timeout=10)
    _, pullback = process.vjp(X, timeout=10)
    with pytest.raises(swergio.UnsupportedBody):
        pullback(object())
    process.vjp(X, timeout=10)


def test_a_node_without_a_backward_function_says_so(make: Make) -> None:
    node(make, "model", "features", "forecast", identity)
    _, pullback = make("trainer").start().process("features", "forecast").vjp(X)
    with pytest.raises(swergio.PassFailed, match=r"'identity' of model#\w+ has no backward function"):
        pullback(X, 10)


def test_a_plain_function_that_returns_an_awaitable_is_told(make: Make, face: str) -> None:
    if face == "asyncio":
        pytest.skip("there the functions are 'async def' functions")
    node(make, "model", "features", "forecast", lambda ctx, x: wait_for_ever(), identity)
    with pytest.raises(swergio.PassFailed, match="register it as an 'async def' function"):
        make("trainer").start().process("features", "forecast")(X, timeout=10)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_nobody_takes_the_input(make: Make) -> None:
    process = make("trainer").start().process("features", "forecast")
    with pytest.raises(swergio.PassTimeout, match=r"no member in 'features' after 0.2 s"):
        process(X, timeout=0.2)


def test_who_is_silent_is_named(make: Make) -> None:
    mute = make("mute")
    mute.on("features")(lambda message: None)
    mute.start()
    process = make("trainer").start().process("features", "forecast")
    with pytest.raises(swergio.PassTimeout, match=rf"no product of the pass in 'forecast' .*; missing {mute.instance}"):
        process(X, timeout=0.2)


def test_a_gradient_that_does_not_come_is_waited_for_until_the_deadline(make: Make) -> None:
    goes_on = threading.Event()
    model = make("model")
    model.forward("features", "forecast")(identity).backward(identity)
    model.on("pause", blocking=True)(lambda message: goes_on.wait(20))
    model.start()
    trainer = make("trainer").start()
    _, pullback = trainer.process("features", "forecast").vjp(X)
    trainer.send("pause", None)
    with pytest.raises(swergio.PassTimeout, match=rf"no gradient in 'features' .*; missing {model.instance}"):
        pullback(X, 0.3)
    goes_on.set()
    eventually(lambda: trainer.stats.unmatched_feedback == 1, "the gradient comes late and is counted")


@pytest.mark.parametrize("half", ["forward", "backward"])
def test_a_component_that_leaves_fails_the_pass_at_once(make: Make, half: str) -> None:
    seen, goes_on = Inbox(), threading.Event()
    model = make("model")

    def slow(_ctx: Any, x: Any) -> Any:
        seen.put(x)
        goes_on.wait(20)
        return x

    forward, backward = (slow, identity) if half == "forward" else (identity, slow)
    model.forward("features", "forecast", blocking=True)(forward).backward(backward)
    model.start()
    process = make("trainer").start().process("features", "forecast")
    caught = Inbox()

    def run() -> None:
        try:
            _, pullback = process.vjp(X)
            pullback(X)
        except swergio.PassFailed as exc:
            caught.put(exc)

    thread = threading.Thread(target=run)
    thread.start()
    seen.wait(1)
    leaver = threading.Thread(target=model.leave, args=("features",))
    leaver.start()
    (error,) = caught.wait(1)
    goes_on.set()
    thread.join()
    leaver.join()
    assert error.missing == (model.instance,)


def test_a_component_in_the_middle_that_leaves_is_named(make: Make) -> None:
    seen = Inbox()
    node(make, "first", "features", "middle", identity, identity)
    mute = make("mute")
    mute.on("middle")(seen.take_data)
    mute.start()
    process = make("trainer").start().process("features", "forecast")
    caught = Inbox()

    def run() -> None:
        try:
            process.vjp(X)
        except swergio.PassFailed as exc:
            caught.put(exc)

    thread = threading.Thread(target=run)
    thread.start()
    seen.wait(1)
    mute.close()
    (error,) = caught.wait(1)
    thread.join()
    assert (error.room, error.missing) == ("middle", (mute.instance,))


def test_a_recorder_that_leaves_does_no_harm_once_the_producer_is_known(make: Make) -> None:
    node(make, "model", "features", "forecast", identity, identity)
    recorder = make("recorder")
    recorder.on("features")(lambda message: None)
    recorder.start()
    process = make("trainer").start().process("features", "forecast")
    _, pullback = process.vjp(X)
    recorder.close()
    assert np.array_equal(pullback(X), X)


def test_a_component_that_is_closed_fails_its_own_calls(make: Make) -> None:
    seen = Inbox()
    mute = make("mute")
    mute.on("features")(seen.take_data)
    mute.start()
    trainer = make("trainer").start()
    process = trainer.process("features", "forecast")
    caught = Inbox()

    def run() -> None:
        try:
            process(X)
        except swergio.ComponentClosed as exc:
            caught.put(exc)

    thread = threading.Thread(target=run)
    thread.start()
    seen.wait(1)
    trainer.close()
    caught.wait(1)
    thread.join()


def test_feedback_that_never_comes_is_given_up_and_reported(make: Make) -> None:
    mute, logger = make("mute"), make("logger")
    mute.on("forecast")(lambda message: None)
    reports = Inbox()
    logger.on("_logging", "LOG/MESSAGES")(reports.take_data)
    mute.start()
    logger.start()
    model = node(make, "model", "features", "forecast", identity, identity, pass_timeout=0.2)
    process = make("trainer").start().process("features", "forecast")
    _, pullback = process.vjp(X)
    (report,) = reports.wait(1)
    assert (report["error"], report["component"]) == ("gave up 1 passes whose feedback did not come", "model")
    assert [id.startswith(f"{model.instance}/") for id in report["messages"]] == [True]
    assert (model.stats.expired_passes, model._keeper.nodes.owed) == (1, 0)
    with pytest.raises(swergio.PassFailed, match=r"no feedback within 0.2 s"):
        pullback(X, 10)


def test_passes_whose_saved_state_made_room_are_told(make: Make) -> None:
    model = node(make, "model", "features", "forecast", identity, identity)
    model._keeper.nodes._max_records = 1
    process = make("trainer").start().process("features", "forecast")
    _, first = process.vjp(X)
    _, second = process.vjp(X)
    with pytest.raises(swergio.PassFailed, match="its saved state made room for newer passes"):
        first(X, 10)
    assert np.array_equal(second(X), X)
    assert model.stats.expired_passes == 1


def test_a_process_inside_an_async_handler_of_a_plain_component_is_refused(make: Make, face: str) -> None:
    if face == "asyncio":
        pytest.skip("there it is awaited")
    node(make, "model", "features", "forecast", identity, identity)
    trainer, asker = make("trainer"), make("asker").start()
    process = trainer.process("features", "forecast")

    @trainer.on("orders")
    async def train(message: Any) -> Any:
        return process(message.data)

    trainer.start()
    with pytest.raises(swergio.HandlerFailed, match="called inside an 'async def' handler"):
        asker.request("orders", X, timeout=10)
