"""A process and the nodes in it: gradients, message counts, what is refused and what is waited for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import swergio
from swergio import Phase
from swergio.testing import Inbox
from tests.passes.conftest import Make

X = np.arange(12.0).reshape(4, 3)
W = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 0.0]])


def linear(make: Make, name: str, source: str, sink: str, weights: Any, **how: Any) -> Any:
    """
    Start a component with a node that multiplies by ``weights``.
    """
    component = make(name)

    @component.forward(source, sink, **how)
    def predict(_ctx: Any, x: Any) -> Any:
        return x @ weights

    @predict.backward
    def learn(_ctx: Any, gradient: Any) -> Any:
        return gradient @ weights.T

    return component.start()


def test_a_gradient_comes_back_through_a_node_that_learns_from_it(make: Make) -> None:
    weights = W.copy()
    forecaster = make("forecaster")

    @forecaster.forward("features", "forecast")
    def predict(ctx: Any, x: Any) -> Any:
        ctx.save(x, weights.copy())
        return x @ weights

    @predict.backward
    def learn(ctx: Any, gradient: Any) -> Any:
        x, then = ctx.saved
        if ctx.training:
            weights[:] -= 0.01 * (x.T @ gradient)
            predict.updated()
        return gradient @ then.T

    forecaster.start()
    process = make("trainer").start().process("features", "forecast")
    y, pullback = process.vjp(X)
    assert np.array_equal(y, X @ W)
    assert np.array_equal(pullback(np.ones((4, 2))), np.ones((4, 2)) @ W.T)
    assert np.allclose(weights, W - 0.01 * (X.T @ np.ones((4, 2))))
    assert np.array_equal(process(X), X @ weights)
    y, pullback = process.vjp(X, phase=Phase.VALIDATE)
    assert np.array_equal(pullback(np.ones((4, 2))), np.ones((4, 2)) @ weights.T)
    assert predict.version == 1


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_pass_through_k_nodes_takes_2k_and_2_messages(make: Make, nodes: int) -> None:
    chain = [linear(make, f"node-{i}", f"room-{i}", f"room-{i + 1}", np.eye(3) * 2) for i in range(nodes)]
    trainer = make("trainer").start()
    _, pullback = trainer.process("room-0", f"room-{nodes}").vjp(X)
    assert np.array_equal(pullback(X), X * 2**nodes)
    assert sum(component.stats.sent for component in [*chain, trainer]) == 2 * nodes + 2


def test_a_call_asks_for_no_feedback_and_nothing_is_kept_for_it(make: Make) -> None:
    forecaster = linear(make, "forecaster", "features", "forecast", W)
    trainer = make("trainer").start()
    assert np.array_equal(trainer.process("features", "forecast")(X), X @ W)
    assert forecaster._keeper.nodes.owed == 0
    assert trainer.stats.sent + forecaster.stats.sent == 2


def test_nothing_is_owed_when_the_feedback_came(make: Make) -> None:
    forecaster = linear(make, "forecaster", "features", "forecast", W)
    process = make("trainer").start().process("features", "forecast")
    _, pullback = process.vjp(X)
    assert forecaster._keeper.nodes.owed == 1
    pullback(X @ W)
    assert forecaster._keeper.nodes.owed == 0


def test_a_process_can_be_made_before_its_component_and_the_others_start(make: Make) -> None:
    trainer = make("trainer")
    process = trainer.process("features", "forecast")
    trainer.start()
    inbox = Inbox()
    thread = threading.Thread(target=lambda: inbox.put(process(X)))
    thread.start()
    linear(make, "forecaster", "features", "forecast", W)
    assert np.array_equal(inbox.wait(1)[0], X @ W)
    thread.join()


def test_a_process_of_a_component_that_was_not_started_is_refused(make: Make) -> None:
    process = make("trainer").process("features", "forecast")
    with pytest.raises(swergio.ComponentClosed, match="not started"):
        process(X)


def test_a_process_works_inside_a_handler_of_its_component(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    trainer, asker = make("trainer"), make("asker").start()
    process = trainer.process("features", "forecast")

    def gradient_of(message: Any) -> Any:
        _, pullback = process.vjp(message.data)
        return pullback(np.ones((4, 2)))

    trainer.on("orders", blocking=True)(gradient_of)
    trainer.start()
    assert np.array_equal(asker.request("orders", X, timeout=10), np.ones((4, 2)) @ W.T)


def test_several_threads_call_one_process(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    process = make("trainer", max_open_passes=3).start().process("features", "forecast")
    inbox = Inbox()

    def run(number: int) -> None:
        for step in range(10):
            y, pullback = process.vjp(X + number)
            inbox.put(np.array_equal(y, (X + number) @ W) and np.array_equal(pullback(y * step), y * step @ W.T))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    assert all(inbox.wait(80))
    for thread in threads:
        thread.join()


def test_passes_beyond_the_limit_wait_for_a_pullback(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    process = make("trainer", max_open_passes=1).start().process("features", "forecast")
    _, pullback = process.vjp(X)
    with pytest.raises(swergio.PassTimeout, match=r"no end of one of 1 open passes .* in 'features' after 0.2 s"):
        process.vjp(X, timeout=0.2)
    process(X)
    inbox = Inbox()
    thread = threading.Thread(target=lambda: inbox.put(process.vjp(X)))
    thread.start()
    pullback(X @ W)
    inbox.wait(1)
    thread.join()


def test_a_pullback_that_is_thrown_away_makes_room(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    process = make("trainer", max_open_passes=1).start().process("features", "forecast")
    for _ in range(3):
        _, pullback = process.vjp(X, timeout=10)
        del pullback


def test_a_pullback_can_be_called_once(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    process = make("trainer").start().process("features", "forecast")
    y, pullback = process.vjp(X)
    pullback(y)
    with pytest.raises(swergio.PassFailed, match="its pullback was called before"):
        pullback(y)


def test_a_pullback_is_called_too_late(make: Make) -> None:
    linear(make, "forecaster", "features", "forecast", W)
    trainer = make("trainer", pass_timeout=0.2, max_open_passes=1).start()
    process = trainer.process("features", "forecast")
    y, pullback = process.vjp(X, timeout=10)
    process.vjp(X, timeout=10)  # waits until the first one has expired
    with pytest.raises(swergio.PassTimeout, match=r"no call of the pullback in 'features' after 0.2 s"):
        pullback(y)


def test_no_gradient_is_an_answer(make: Make) -> None:
    first = linear(make, "first", "features", "middle", W)
    last = make("last")

    @last.forward("middle", "forecast")
    def sort(_ctx: Any, x: Any) -> Any:
        return np.sort(x)

    @sort.backward
    def no_gradient(_ctx: Any, _gradient: Any) -> Any:
        return None

    last.start()
    y, pullback = make("trainer").start().process("features", "forecast").vjp(X)
    assert pullback(y) is None
    assert first._keeper.nodes.owed == 0


def test_bodies_may_be_structures(make: Make) -> None:
    model = make("model")

    @model.forward("state", "action")
    def act(_ctx: Any, state: Any) -> Any:
        return {"power": state["speed"] * 2, "gear": [state["load"]]}

    @act.backward
    def learn(_ctx: Any, gradient: Any) -> Any:
        return {"speed": gradient["power"] * 2, "load": gradient["gear"][0]}

    model.start()
    y, pullback = make("trainer").start().process("state", "action").vjp({"speed": X, "load": 3.5})
    assert y["gear"] == [3.5]
    gradient = pullback({"power": X, "gear": [1.5]})
    assert np.array_equal(gradient["speed"], X * 2)
    assert gradient["load"] == 1.5


def test_a_node_knows_the_pass_that_it_takes_part_in(make: Make) -> None:
    model, trainer = make("model"), make("trainer")
    inbox = Inbox()

    @model.forward("features", "forecast")
    def predict(ctx: Any, x: Any) -> Any:
        inbox.put((ctx.phase, ctx.meta, ctx.sender, ctx.version, ctx.root == ctx.message.id, ctx.wants_feedback))
        return x

    @predict.backward
    def learn(ctx: Any, gradient: Any) -> Any:
        inbox.put((ctx.message.type, ctx.message.room, ctx.message.parent is not None, ctx.version))
        predict.updated()
        return gradient

    model.start()
    trainer.start()
    process = trainer.process("features", "forecast")
    _, pullback = process.vjp(1.0, meta={"epoch": 3})
    pullback(2.0)
    process(1.0)
    assert inbox.wait(3) == [
        (Phase.TRAIN, {"epoch": 3}, trainer.instance, 0, True, True),
        ("DATA/GRADIENT", "forecast", True, 0),
        (Phase.VALIDATE, {}, trainer.instance, 1, True, False),
    ]


def test_the_version_of_the_weights_travels_with_what_they_made(make: Make) -> None:
    model, next_, judge = make("model"), make("next"), make("judge")
    inbox = Inbox()
    node = model.forward("features", "middle")(lambda ctx, x: x)
    next_.forward("middle", "forecast")(lambda ctx, x: x)
    judge.on("middle")(lambda message: inbox.put(dict(message.meta)))
    judge.on("forecast")(lambda message: inbox.put(dict(message.meta)))
    for component in (model, next_, judge):
        component.start()
    process = make("trainer").start().process("features", "forecast")
    process(1.0, meta={"day": 1})
    assert inbox.wait(2) == [{"day": 1}, {"day": 1}]
    node.updated()
    process(1.0, meta={"day": 2})
    assert inbox.wait(4)[2:] == [{"day": 2, "_version": 1}, {"day": 2}]


def test_plain_and_async_functions_of_one_component_keep_their_order(make: Make) -> None:
    model = make("model")
    inbox = Inbox()

    @model.forward("features", "forecast", blocking=True)
    async def predict(_ctx: Any, x: Any) -> Any:
        return x

    @predict.backward
    def learn(_ctx: Any, gradient: Any) -> Any:
        inbox.put(gradient)
        return gradient

    model.start()
    process = make("trainer").start().process("features", "forecast")
    for number in range(20):
        _, pullback = process.vjp(float(number))
        assert pullback(float(number)) == number
    assert inbox.items == list(range(20))


def test_nodes_can_be_added_to_a_plain_component_that_runs(make: Make, face: str) -> None:
    if face == "asyncio":
        pytest.skip("an asyncio component cannot join a room within a plain call")
    model, process = make("model").start(), make("trainer").start().process("features", "forecast")

    @model.forward("features", "forecast", gradients="members")
    def predict(_ctx: Any, x: Any) -> Any:
        return x

    predict.backward(lambda ctx, gradient: gradient * 2)
    _, pullback = process.vjp(3.0)
    assert pullback(4.0) == 8


def test_a_plain_process_works_beside_a_running_loop(make: Make, face: str) -> None:
    if face == "asyncio":
        pytest.skip("there it is awaited")
    linear(make, "model", "features", "forecast", W)
    process = make("trainer").start().process("features", "forecast")

    async def cell_of_a_notebook() -> Any:
        _, pullback = process.vjp(X)
        return pullback(np.ones((4, 2)))

    assert np.array_equal(asyncio.run(cell_of_a_notebook()), np.ones((4, 2)) @ W.T)
