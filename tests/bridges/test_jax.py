"""Functions of JAX as nodes, and processes as functions of JAX."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import swergio
import swergio.asyncio
from swergio import Phase
from swergio.testing import Inbox
from tests.bridges.conftest import Make, needs, over_wires

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax

    import swergio.jax

draw = np.random.default_rng(0)
X, W, G = draw.normal(size=(5, 3)), draw.normal(size=(3, 2)), draw.normal(size=(5, 2))


@pytest.fixture(scope="module", autouse=True)
def framework() -> Iterator[None]:
    names = ("jax", "jnp", "optax", "bridge")
    globals().update(zip(names, needs("jax", "jax.numpy", "optax", "swergio.jax"), strict=True))
    jax.config.update("jax_enable_x64", val=True)  # type: ignore[no-untyped-call]
    yield
    jax.config.update("jax_enable_x64", val=False)  # type: ignore[no-untyped-call]


def predict(w: Any, x: Any) -> Any:
    return jnp.tanh(x @ w)


def here(x: Any) -> Any:
    return predict(W, x)


def shape(x: Any) -> Any:
    return jax.ShapeDtypeStruct((x.shape[0], 2), x.dtype)  # type: ignore[no-untyped-call]


def assert_same(got: Any, expected: Any) -> None:
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12), got, expected)


@pytest.fixture
def told() -> Inbox:
    """
    What the component below is told of its passes.
    """
    return Inbox()


@pytest.fixture
def remote(make: Make, told: Inbox) -> swergio.jax.Remote:
    """
    ``tanh(x @ W)``, computed by a component without JAX.
    """
    model = make("model")

    @model.forward("x", "y")
    def forward(ctx: Any, x: Any) -> Any:
        y = np.tanh(x @ W)
        ctx.save(y)
        told.put((ctx.phase, dict(ctx.meta), ctx.wants_feedback))
        return y

    @forward.backward
    def backward(ctx: Any, gradient: Any) -> Any:
        return (gradient * (1 - ctx.saved[0] ** 2)) @ W.T

    model.start()
    return swergio.jax.remote(make("trainer").start(), "x", "y", result=shape)


def loss(function: Any) -> Any:
    """
    A loss with several calls in one graph.
    """
    return lambda x: ((function(function(x) @ W.T) + function(2 * x)) ** 2).sum() + x.prod()


@over_wires
@pytest.mark.parametrize("compiled", [False, True])
def test_grad_goes_through_the_rooms(remote: swergio.jax.Remote, compiled: bool) -> None:
    gradient = jax.value_and_grad(loss(remote))
    for x in (X, X + 1):
        assert_same((jax.jit(gradient) if compiled else gradient)(x), jax.value_and_grad(loss(here))(x))


def test_without_a_gradient_none_is_asked_for(remote: swergio.jax.Remote, told: Inbox) -> None:
    assert_same(remote(X), here(X))
    assert_same(jax.jit(remote)(X), here(X))
    jax.grad(lambda x: remote(x, meta={"day": 3}).sum())(X)
    jax.grad(lambda x: remote(x, phase=Phase.VALIDATE).sum())(X)
    assert told.wait(4) == [
        (Phase.VALIDATE, {}, False), (Phase.VALIDATE, {}, False),
        (Phase.TRAIN, {"day": 3}, True), (Phase.VALIDATE, {}, True),
    ]  # fmt: skip


def test_it_can_be_mapped_and_scanned(remote: swergio.jax.Remote) -> None:
    def mapped(function: Any) -> Any:
        return lambda x: jax.vmap(lambda row: function(row[None])[0])(x).sum()

    def scanned(function: Any) -> Any:
        return lambda x: jax.lax.scan(lambda carry, _: (function(carry) @ W.T, None), x, None, length=2)[0].sum()

    for form in (mapped, scanned):
        assert_same(jax.jit(jax.grad(form(remote)))(X), jax.grad(form(here))(X))


@over_wires
def test_structures_go_and_come(make: Make) -> None:
    model = make("model")

    @model.forward("x", "y")
    def forward(ctx: Any, x: Any) -> Any:
        assert x["name"] == "storm"
        ctx.save(x)
        return {"product": x["a"] * x["b"][0], "size": float(x["a"].sum()), "ids": x["ids"]}

    @forward.backward
    def backward(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved
        assert gradient["ids"] is None
        assert isinstance(gradient["size"], float)
        by_a = gradient["product"] * x["b"][0] + gradient["size"]
        return {"a": by_a, "b": [float((gradient["product"] * x["a"]).sum())], "ids": None, "name": None}

    model.start()
    remote = swergio.jax.remote(
        make("trainer").start(), "x", "y", result={"product": X, "size": 1.0 + X[0, 0], "ids": np.arange(2)}
    )

    def through(a: Any, b: Any) -> Any:
        y = remote({"a": a, "b": [b], "ids": np.arange(2), "name": "storm"})
        return y["product"].sum() * y["size"] + y["ids"].sum()

    expected = jax.value_and_grad(lambda a, b: (a * b).sum() * a.sum() + 1, (0, 1))(X, 2.0)
    assert_same(jax.value_and_grad(through, (0, 1))(X, 2.0), expected)
    assert_same(jax.jit(jax.value_and_grad(through, (0, 1)))(X, 2.0), expected)


@pytest.mark.usefixtures("remote")
def test_compiled_it_must_be_known_what_comes_out(make: Make) -> None:
    trainer = make("another").start()
    with pytest.raises(swergio.ConfigurationError, match=r"from 'x' to 'y'.* Say result="):
        jax.jit(swergio.jax.remote(trainer, "x", "y"))(X)
    wrong = swergio.jax.remote(trainer, "x", "y", result=jax.ShapeDtypeStruct((5,), X.dtype))  # type: ignore[no-untyped-call]
    with pytest.raises(
        jax.errors.JaxRuntimeError, match=r"the product has the shape \(5, 2\), and \(5,\) was expected"
    ):
        jax.jit(wrong)(X)


def test_what_goes_wrong_on_the_way_is_told(make: Make) -> None:
    model = make("model")
    model.forward("x", "y")(lambda ctx, x: x).backward(lambda ctx, gradient: gradient[:1])
    model.forward("a", "names")(lambda ctx, x: {"who": "me"})
    model.forward("b", "broken")(lambda ctx, x: 1 / 0)
    model.start()
    trainer = make("trainer").start()
    with pytest.raises(ValueError, match=r"the gradient has the shape \(1, 3\), and \(5, 3\) was expected"):
        jax.grad(lambda x: swergio.jax.remote(trainer, "x", "y")(x).sum())(X)
    with pytest.raises(TypeError, match=r"the product\['who'\] is a str"):
        swergio.jax.remote(trainer, "a", "names")(X)
    broken = swergio.jax.remote(trainer, "b", "broken", result=lambda x: x)
    with pytest.raises(swergio.PassFailed, match="ZeroDivisionError"):
        broken(X)
    with pytest.raises(jax.errors.JaxRuntimeError, match="PassFailed"):
        jax.jit(broken)(X)
    component: Any = swergio.asyncio.Component("trainer", "memory://nowhere")
    with pytest.raises(swergio.ConfigurationError, match=r"process\.vjp"):
        swergio.jax.remote(component, "x", "y")


# -- serve ------------------------------------------------------------------------------------------------------------


@over_wires
@pytest.mark.parametrize("face", ["plain", "asyncio"])
def test_two_functions_learn_as_they_do_in_one_process(make: Make, face: str) -> None:
    params = [jnp.asarray(W), jnp.asarray(draw.normal(size=(2, 4)))]
    optimizer = optax.adam(0.01)
    served = []
    for name, w, rooms in (("first", params[0], ("x", "middle")), ("second", params[1], ("middle", "y"))):
        component: Any = make(name, face)
        inner = component._inner if face == "asyncio" else component
        served.append(swergio.jax.serve(inner, predict, *rooms, params=w, optimizer=optimizer))
        component.start()

    def whole(params: Any, x: Any) -> Any:
        return predict(params[1], predict(params[0], x))

    process = make("trainer").start().process("x", "y")
    state = optimizer.init(params)
    g = draw.normal(size=(5, 4))
    for _ in range(4):
        y, pullback = process.vjp(X)
        expected, local = jax.vjp(whole, params, X)
        assert_same([y, pullback(g)], [expected, local(g)[1]])
        steps, state = optimizer.update(local(g)[0], state, params)
        params = optax.apply_updates(params, steps)
    assert_same([one.params for one in served], params)
    assert [one.node.version for one in served] == [4, 4]


def serve(make: Make, function: Any, **how: Any) -> Any:
    model = make("model")
    served = swergio.jax.serve(model, function, "x", "y", **how)
    model.start()
    return make("trainer").start().process("x", "y"), served


def test_it_learns_if_it_has_an_optimizer_and_the_phase_is_to_train(make: Make) -> None:
    process, served = serve(make, predict, params=W, optimizer=optax.sgd(0.1))
    for phase, versions in ((Phase.VALIDATE, 0), (Phase.TRAIN, 1)):
        y, pullback = process.vjp(X, phase=phase)
        expected, local = jax.vjp(predict, W, X)
        assert_same([y, pullback(G)], [expected, local(G)[1]])
        assert served.node.version == versions
    assert_same(served.params, W - 0.1 * local(G)[0])


def test_without_an_optimizer_gradients_are_passed_on(make: Make) -> None:
    process, served = serve(make, predict, params=W)
    _, pullback = process.vjp(X)
    assert_same(pullback(G), jax.vjp(here, X)[1](G)[0])
    assert served.node.version == 0
    assert_same(process(X), here(X))


def test_open_passes_keep_the_parameters_that_they_went_through(make: Make) -> None:
    process, served = serve(make, predict, params=W, optimizer=optax.sgd(0.1), max_stale=1)
    pullbacks = [process.vjp(X)[1] for _ in range(3)]
    by_w, by_x = jax.vjp(predict, W, X)[1](G)
    assert_same([pullback(G) for pullback in pullbacks[:2]], [by_x, by_x])
    assert_same(served.params, W - 0.2 * by_w)
    with pytest.raises(swergio.PassFailed, match="stale feedback: 'predict' was updated 2 times since"):
        pullbacks[2](G)


@over_wires
def test_bodies_are_arguments(make: Make) -> None:
    def mix(wind: Any, target: Any, scale: Any, mode: str, count: int) -> Any:
        assert (mode, count) == ("fast", 3)
        return {"sum": wind * scale + target["place"], "rest": [target["place"] ** 2, target["ids"] + 1]}

    process, _ = serve(make, mix)
    place = np.arange(3, dtype=np.float32)
    body = {"wind": X, "target": {"place": place, "ids": np.arange(3)}, "scale": 2.5, "mode": "fast", "count": 3}
    y, pullback = process.vjp(body)
    assert_same([y["sum"], y["rest"][1]], [X * 2.5 + place, [1, 2, 3]])
    gradient = pullback({"sum": np.ones((5, 3)), "rest": [np.ones(3), None]})
    assert_same([gradient["wind"], gradient["target"]["place"]], [np.full((5, 3), 2.5), 5 + 2 * place])
    assert gradient["target"]["place"].dtype == np.float32
    assert gradient["scale"] == pytest.approx(X.sum())
    assert gradient["mode"] is gradient["count"] is gradient["target"]["ids"] is None


def test_bad_feedback_is_told(make: Make) -> None:
    process, served = serve(make, predict, params=W, optimizer=optax.sgd(0.1))
    for feedback, problem in (
        (G[:, :1], r"the gradient has the shape \(5, 1\), and \(5, 2\) was expected"),
        ("fine", "the gradient is a str"),
    ):
        _, pullback = process.vjp(X)
        with pytest.raises(swergio.PassFailed, match=problem):
            pullback(feedback)
    assert served.node.version == 0
    with pytest.raises(swergio.ConfigurationError, match="an optimizer without parameters"):
        swergio.jax.serve(make("other"), predict, "x", "y", optimizer=optax.sgd(0.1))


def test_training_goes_on_from_its_checkpoint(make: Make, tmp_path: Path) -> None:
    process = make("trainer").start().process("x", "y")
    ended = []
    for steps in ([4], [2, 2]):
        for number in steps:
            model = make("model")
            served = swergio.jax.serve(model, predict, "x", "y", params=W, optimizer=optax.adam(0.1))
            served.checkpoint(every=10, path=tmp_path / f"{steps}")
            model.start()
            for _ in range(number):
                process.vjp(X)[1](G)
            model.close()
        ended.append(served)
    assert_same(ended[0].params, ended[1].params)
    assert [one.node.version for one in ended] == [4, 4]
    other = swergio.jax.serve(make("other"), predict, "x", "y", params=W.T)
    with pytest.raises(swergio.CheckpointFailed, match="it holds other parameters"):
        other.checkpoint(every=1, path=tmp_path / "[4]")


def test_components_that_serve_and_call_may_be_one_process_without_double_precision() -> None:
    # As JAX comes, in a process of its own since that is a global setting.
    program = """
import jax, jax.numpy as jnp, numpy as np, swergio, swergio.jax
from swergio.hub import HubThread

with HubThread(["memory://single"]) as hub:
    model, trainer = (swergio.Component(name, hub.urls[0]) for name in ("model", "trainer"))
    swergio.jax.serve(model, lambda x: jnp.sin(x), "x", "y")
    with model, trainer:
        remote = swergio.jax.remote(trainer, "x", "y", result=lambda x: x)
        x = jnp.arange(3.0)
        gradient = jax.jit(jax.grad(lambda x: remote(remote(x)).sum()))(x)
        print(gradient.dtype, bool(jnp.allclose(gradient, jnp.cos(x) * jnp.cos(jnp.sin(x)))))
        y, pullback = trainer.process("x", "y").vjp(np.arange(3.0))
        print(y.dtype, pullback(np.ones(3)).dtype)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "float32 True\nfloat32 float64\n", done.stderr
