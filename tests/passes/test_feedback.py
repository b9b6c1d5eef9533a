"""Feedback that is no gradient, comes late, or belongs to nothing; and losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swergio
from swergio import MessageType, Phase
from swergio.testing import Inbox, eventually
from tests.passes.conftest import Make

X = np.array([1.0, -2.0, 3.0])


def test_labels_and_rewards_reach_the_backward_function(make: Make) -> None:
    inbox = Inbox()
    composer, listener, source = make("composer"), make("listener"), make("source").start()
    compose = composer.forward("themes", "melodies")(lambda ctx, theme: theme + " melody")
    compose.backward(lambda ctx, feedback: inbox.put((ctx.message.type, feedback)))
    composer.start()

    def judge(message: swergio.Message) -> None:
        message.feedback(0.8, MessageType.REWARD)
        message.feedback("jazz", MessageType.LABEL)

    listener.on("melodies")(judge)
    listener.start()
    source.send("themes", "blue", type="DATA/FORWARD")
    assert inbox.wait(2) == [("DATA/REWARD", 0.8), ("DATA/LABEL", "jazz")]


def test_feedback_on_what_no_node_sent_is_for_the_handlers_of_its_type(make: Make) -> None:
    inbox = Inbox()
    policy, world = make("policy"), make("world")
    policy.on("episodes", "DATA/REWARD")(inbox.take_data)
    world.on("episodes")(lambda message: message.feedback(message.data * 2, MessageType.REWARD))
    policy.start()
    world.start()
    policy.send("episodes", 21)
    assert inbox.wait(1) == [42]
    assert policy.stats.unmatched_feedback == 0


def test_feedback_that_nobody_wants_is_counted(make: Make) -> None:
    sender, world = make("sender").start(), make("world")
    world.on("episodes")(lambda message: message.feedback(1.0))
    world.start()
    sender.send("episodes", 21)
    eventually(lambda: sender.stats.unmatched_feedback == 1, "the feedback is counted")


def test_feedback_on_old_weights_is_dropped_and_counted(make: Make) -> None:
    inbox = Inbox()
    model = make("model")
    node = model.forward("features", "forecast", max_stale=1)(lambda ctx, x: x)

    def learn(ctx: Any, gradient: Any) -> Any:
        inbox.put(ctx.version)
        node.updated()
        return gradient

    node.backward(learn)
    model.start()
    process = make("trainer").start().process("features", "forecast")
    pullbacks = [process.vjp(X)[1] for _ in range(3)]
    for pullback in pullbacks[:2]:
        pullback(X)
    with pytest.raises(swergio.PassFailed, match=r"stale feedback: .* was updated 2 times since"):
        pullbacks[2](X)
    assert model.stats.stale_feedback == 1
    assert inbox.items == [0, 0]


def test_a_loss_gives_gradients_and_publishes_its_value(make: Make) -> None:
    kpis = Inbox()
    monitor, site, model = make("monitor"), make("site"), make("model")
    monitor.on("_logging", "LOG/KPI")(kpis.take_data)
    gradients = Inbox()
    model.forward("features", "forecast")(lambda ctx, x: x).backward(lambda ctx, gradient: gradients.put(gradient))

    def cost(_ctx: Any, y: Any) -> Any:
        return np.sum(y**2), 2 * y

    site.loss("forecast")(cost)
    for component in (monitor, site, model):
        component.start()
    source = make("source").start()
    source.send("features", X, type="DATA/FORWARD", phase=Phase.TRAIN)
    assert np.array_equal(gradients.wait(1)[0], 2 * X)
    source.send("features", X, type="DATA/FORWARD", phase=Phase.VALIDATE)
    source.send("features", X, type="DATA/FORWARD", phase=Phase.TRAIN)
    gradients.wait(2)
    assert model.stats.unmatched_feedback == 0
    common = {"kpi": "cost", "value": 14.0, "step": None, "component": "site"}
    assert [kpi.pop("phase") for kpi in kpis.wait(3)] == ["TRAIN", "VALIDATE", "TRAIN"]
    assert kpis.items == [common] * 3


def test_a_loss_without_a_gradient_completes_the_pass(make: Make) -> None:
    inbox = Inbox()
    site, model, source = make("site"), make("model"), make("source")
    source.on("features", "DATA/GRADIENT")(inbox.take_data)
    model.forward("features", "forecast")(lambda ctx, x: x)
    site.loss("forecast", name="regret")(lambda ctx, y: 3.0)
    for component in (site, model, source):
        component.start()
    source.send("features", X, type="DATA/FORWARD")
    assert inbox.wait(1) == [None]


def test_a_loss_that_is_no_number_fails_the_pass(make: Make) -> None:
    site, source = make("site"), make("source").start()
    site.loss("forecast", name="regret")(lambda ctx, y: (y, y))
    site.start()
    source.send("forecast", X, type="DATA/FORWARD")
    eventually(lambda: site.stats.failed == 1, "the loss has failed")
    eventually(lambda: source.stats.unmatched_feedback == 1, "the sender was told")


def test_the_function_of_a_loss_stays_a_function() -> None:
    site = swergio.Component("site", "memory://unused")

    @site.loss("forecast")
    def cost(_ctx: Any, y: Any) -> Any:
        return y, 1.0

    assert cost(swergio.passes.Context(), 2.0) == (2.0, 1.0)
