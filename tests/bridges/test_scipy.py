"""Processes as what SciPy minimises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import swergio
import swergio.asyncio
import swergio.scipy
from swergio import Phase
from tests.bridges.conftest import Make, needs, over_wires

if TYPE_CHECKING:
    from scipy import optimize


@pytest.fixture(scope="module")
def scipy() -> None:
    globals().update(optimize=needs("scipy.optimize")[0])


def rosenbrock(x: Any) -> Any:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def slope(x: Any) -> Any:
    inner = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    gradient[1:] += 200 * inner
    return gradient


def serve(make: Make, function: Any, derivative: Any) -> Any:
    """
    Return the process of a function, and the phases of its passes.
    """
    model = make("model")
    phases: list[Any] = []

    @model.forward("x", "y")
    def forward(ctx: Any, x: Any) -> Any:
        phases.append(ctx.phase)
        ctx.save(x)
        return function(x)

    forward.backward(lambda ctx, gradient: derivative(ctx.saved[0], gradient))
    model.start()
    return make("trainer").start().process("x", "y"), phases


@over_wires
@pytest.mark.usefixtures("scipy")
def test_the_rosenbrock_function_is_minimised_through_the_rooms(make: Make) -> None:
    process, phases = serve(make, rosenbrock, lambda x, gradient: gradient * slope(x))
    objective = swergio.scipy.objective(process)
    start = np.array([-1.2, 1.0, 0.5])
    best = optimize.minimize(objective.fun, start, jac=objective.jac, method="BFGS")
    here = optimize.minimize(rosenbrock, start, jac=slope, method="BFGS")
    assert best.success
    np.testing.assert_allclose(best.x, np.ones(3), atol=1e-4)
    np.testing.assert_array_equal(best.x, here.x)
    assert best.nfev == best.njev == objective.passes  # a pass for both
    assert set(phases) == {Phase.VALIDATE}


def test_the_same_point_costs_one_pass(make: Make) -> None:
    process, phases = serve(make, rosenbrock, lambda x, gradient: gradient * slope(x))
    fun, jac = swergio.scipy.objective(process)
    x = np.array([3.0, 2.0])
    np.testing.assert_allclose(jac(x), slope(x))
    assert fun(x) == rosenbrock(x)
    jac(x)[:] = 0  # its caller's own
    np.testing.assert_allclose(jac([3, 2]), slope(x))
    assert len(phases) == 1
    x += 1  # in place, as SciPy's methods do
    assert fun(x) == rosenbrock(x)
    assert len(phases) == 2


@pytest.mark.usefixtures("scipy")
def test_bodies_and_losses_of_any_shape(make: Make) -> None:
    def both(body: Any) -> Any:
        return {"throw": body["angle"] * body["weights"].sum(0)}

    def derivative(body: Any, gradient: Any) -> Any:
        by_throw = gradient["throw"]
        angle = float(by_throw @ body["weights"].sum(0))
        return {"angle": angle, "weights": np.tile(by_throw * body["angle"], (2, 1)), "name": None}

    process, _ = serve(make, both, derivative)
    wanted = np.array([3.0, 1.0, -2.0])

    def miss(product: Any) -> Any:
        off = product["throw"] - wanted
        return (off**2).sum(), {"throw": 2 * off}

    like = {"angle": 0.5, "weights": np.ones((2, 3)), "name": "storm"}
    objective = swergio.scipy.objective(process, like=like, loss=miss)
    assert objective.x0.tolist() == [0.5, *[1.0] * 6]
    bounds = [(0.1, 1), *[(-5, 5)] * 6]
    best = optimize.minimize(objective.fun, objective.x0, jac=objective.jac, bounds=bounds)
    assert best.fun < 1e-8
    body = objective.restore(best.x)
    assert isinstance(body["angle"], float)
    assert body["name"] == "storm"
    np.testing.assert_allclose(both(body)["throw"], wanted, atol=1e-3)


def test_what_cannot_be_minimised_is_told(make: Make) -> None:
    process, _ = serve(make, lambda x: x if x.size < 3 else {"y": 1.0}, lambda x, gradient: None)
    fun, _ = swergio.scipy.objective(process)
    with pytest.raises(ValueError, match=r"an array of the shape \(2,\), and not one number to minimise: say loss="):
        fun(np.ones(2))
    with pytest.raises(ValueError, match="a dict, and not one number"):
        fun(np.ones(3))
    with pytest.raises(swergio.PassFailed, match="a component on the way has no gradient"):
        fun(np.ones(1))
    with pytest.raises(swergio.ConfigurationError, match="a body with floats"):
        swergio.scipy.objective(process, like={"name": "storm"})
    with pytest.raises(swergio.ConfigurationError, match="like=body"):
        swergio.scipy.objective(process).x0  # noqa: B018
    with pytest.raises(ValueError, match=r"a vector of the shape \(3,\) for x, which has 2 floats"):
        swergio.scipy.objective(process, like=np.ones(2)).fun(np.ones(3))
    awaited: Any = swergio.asyncio.Component("trainer", "memory://nowhere").process("x", "y")
    with pytest.raises(swergio.ConfigurationError, match="an objective of a AsyncProcess"):
        swergio.scipy.objective(awaited)
