"""The gradient check names the components whose gradients are wrong, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.hub import HubThread
from swergio.testing import GradientMismatch, gradcheck

Gradient = Callable[[Any, Any, Any], Any]

ROOMS = ["x", "hidden", "deep", "y"]
NAMES = ["first", "second", "third"]
X = np.random.default_rng(0).normal(size=(2, 3))


def right(weights: Any, y: Any, gradient: Any) -> Any:
    """
    The gradient of ``tanh(x @ weights)`` by ``x``.
    """
    return (gradient * (1 - y**2)) @ weights.T


FAULTS: dict[str, Gradient] = {
    "wrong sign": lambda weights, y, gradient: -right(weights, y, gradient),
    "factor": lambda weights, y, gradient: 1.05 * right(weights, y, gradient),
    "transposed": lambda weights, y, gradient: (gradient * (1 - y**2)) @ weights,
}


class Chain:
    """
    Three live components in a row, whose gradients can be made wrong.
    """

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.gradients: dict[str, Gradient] = {}
        self.weights = dict.fromkeys(NAMES, np.eye(3))
        for name, *rooms in zip(NAMES, ROOMS, ROOMS[1:], strict=False):
            component = swergio.Component(name, url)
            self._serve(component, *rooms)
            stack.enter_context(component)
        self.trainer = stack.enter_context(swergio.Component("trainer", url))
        self.process = self.trainer.process("x", "y")

    def _serve(self, component: swergio.Component, source: str, sink: str) -> None:
        name = component.name

        @component.forward(source, sink)
        def forward(ctx: Any, x: Any) -> Any:
            y = np.tanh(x @ self.weights[name])
            ctx.save(y)
            return y

        @forward.backward
        def backward(ctx: Any, gradient: Any) -> Any:
            return self.gradients.get(name, right)(self.weights[name], ctx.saved[0], gradient)

    def draw(self, seed: int) -> Any:
        """
        Draw new weights, and return an input.
        """
        draw = np.random.default_rng(seed)
        self.weights = {name: draw.normal(size=(3, 3)) for name in NAMES}
        return draw.normal(size=(2, 3))


@pytest.fixture(scope="module", params=["memory://blame", "ws://127.0.0.1:0"])
def live(request: pytest.FixtureRequest) -> Iterator[Chain]:
    with ExitStack() as stack:
        hub = stack.enter_context(HubThread([request.param]))
        yield Chain(hub.urls[0], stack)


@pytest.fixture
def chain(live: Chain) -> Chain:
    live.gradients.clear()
    return live


def names(mismatch: GradientMismatch) -> list[str]:
    assert not [suspect for suspect in mismatch.suspects if suspect.unchecked]
    return [instance.partition("#")[0] for instance in mismatch.blamed]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", range(3))
def test_the_component_with_the_wrong_gradient_is_named(chain: Chain, place: int, fault: str) -> None:
    x = chain.draw(place)
    chain.gradients[NAMES[place]] = FAULTS[fault]
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(chain.process, x)
    assert names(caught.value) == [NAMES[place]]
    (suspect,) = caught.value.suspects
    assert [suspect.source, suspect.sink] == ROOMS[place : place + 2]
    assert f"{suspect.component} (from {suspect.source!r} to {suspect.sink!r}): {suspect.got:.9g}" in str(caught.value)
    if fault != "transposed":
        assert suspect.got / suspect.expected == pytest.approx(-1 if fault == "wrong sign" else 1.05, rel=1e-3)


def test_several_are_named_at_once(chain: Chain) -> None:
    x = chain.draw(7)
    chain.gradients.update(first=FAULTS["factor"], third=FAULTS["transposed"])
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(chain.process, x)
    assert sorted(names(caught.value)) == ["first", "third"]


def test_nobody_is_named_where_all_is_right(chain: Chain) -> None:
    for seed in range(20):
        assert gradcheck(chain.process, chain.draw(seed), seed=seed).checked == 6


def test_nobody_on_a_right_way_is_suspected(chain: Chain) -> None:
    # The check of each component by itself, which is made only after something was found.
    from swergio.testing.blame import Tolerance, suspects

    for seed in range(20):
        x, draw = chain.draw(seed), np.random.default_rng(seed)
        tolerance = Tolerance(1e-6, 1e-4, 1e-7)
        how = {"tolerance": tolerance, "draw": draw, "meta": None, "timeout": 20.0}
        assert suspects(chain.process, x, draw.normal(size=(2, 3)), **how) == []  # type: ignore[arg-type]


def test_the_rooms_are_left_as_they_were(chain: Chain) -> None:
    before = {room: [m.instance for m in chain.trainer.members(room)] for room in ROOMS}
    chain.gradients["second"] = FAULTS["factor"]
    with pytest.raises(GradientMismatch):
        gradcheck(chain.process, chain.draw(1))
    assert {room: [m.instance for m in chain.trainer.members(room)] for room in ROOMS} == before


def test_a_node_that_joins_inputs_is_said_to_be_unchecked() -> None:
    with ExitStack() as stack:
        hub = stack.enter_context(HubThread(["memory://joined"]))
        split, join, trainer = (swergio.Component(name, hub.urls[0]) for name in ("split", "join", "trainer"))
        split.forward("x", "a")(lambda ctx, x: 2 * x).backward(lambda ctx, gradient: 2 * gradient)
        split.forward("x", "b")(lambda ctx, x: 3 * x).backward(lambda ctx, gradient: -3 * gradient)
        join.forward(("a", "b"), "y")(lambda ctx, a, b: a + b).backward(lambda ctx, gradient: [gradient, gradient])
        for component in (split, join, trainer):
            stack.enter_context(component)
        process = trainer.process("x", "y", gradients=2)
        with pytest.raises(GradientMismatch, match="could not be checked: it joins several inputs"):
            gradcheck(process, X)


def test_others_that_judge_the_product_make_it_uncertain_and_say_so(chain: Chain) -> None:
    judge = swergio.Component("judge", chain.trainer._inner._core.settings.url)
    judge.on("y")(lambda message: None)
    chain.gradients["third"] = FAULTS["factor"]
    with judge, pytest.raises(GradientMismatch, match="others in the last room may have given it gradients too"):
        gradcheck(chain.process, chain.draw(3))
