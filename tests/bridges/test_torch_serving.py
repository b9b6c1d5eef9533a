"""Modules of PyTorch as nodes: what comes through the rooms is what the same modules do in one process."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import swergio
from swergio import Phase
from tests.bridges.conftest import Make, needs, over_wires

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    import swergio.torch

X = np.random.default_rng(0).normal(size=(5, 3))
G = np.random.default_rng(1).normal(size=(5, 2))


@pytest.fixture(scope="module", autouse=True)
def framework() -> None:
    found = dict(zip(("torch", "nn", "bridge"), needs("torch", "torch.nn", "swergio.torch"), strict=True))
    globals().update(found)
    torch.set_num_threads(1)  # beside other tests, more of them wait for each other


def net(*sizes: int) -> nn.Sequential:
    """
    A network of the same weights in each call.
    """
    torch.manual_seed(0)
    layers = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.Tanh())]
    return nn.Sequential(*layers).double()


def sgd(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=0.1)


def serve(make: Make, module: nn.Module, optimizer: Any = None, **how: Any) -> Any:
    """
    Return the process of one served module, and its node.
    """
    model, trainer = make("model"), make("trainer")
    node = swergio.torch.serve(model, module, optimizer, "x", "y", **how)
    model.start()
    return trainer.start().process("x", "y"), node


def local(module: nn.Module, x: Any, gradient: Any) -> tuple[Any, Any]:
    """
    Return the product and the gradient of the input in this process; the weights get theirs.
    """
    tensor = torch.tensor(x, requires_grad=True)
    y = module(tensor)
    y.backward(torch.tensor(gradient))
    assert tensor.grad is not None
    return y.detach().numpy(), tensor.grad.numpy()


def weights(module: nn.Module) -> list[Any]:
    return [weight.detach().numpy().copy() for weight in module.parameters()]


def assert_same(got: list[Any], expected: list[Any]) -> None:
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)


@over_wires
@pytest.mark.parametrize("face", ["plain", "asyncio"])
def test_two_modules_learn_as_they_do_in_one_process(make: Make, face: str) -> None:
    first, second = net(3, 4), net(4, 2)
    whole = nn.Sequential(copy.deepcopy(first), copy.deepcopy(second))
    optimizer = torch.optim.Adam(whole.parameters(), lr=0.01)
    for name, module, rooms in (("first", first, ("x", "middle")), ("second", second, ("middle", "y"))):
        component = make(name, face)
        own = torch.optim.Adam(module.parameters(), lr=0.01)
        swergio.torch.serve(component._inner if face == "asyncio" else component, module, own, *rooms)
        component.start()
    process = make("trainer").start().process("x", "y")
    for _ in range(5):
        y, pullback = process.vjp(X)
        gradient = pullback(G)
        expected, expected_gradient = local(whole, X, G)
        assert_same([y, gradient], [expected, expected_gradient])
        optimizer.step()
        optimizer.zero_grad()
    assert_same([*weights(first), *weights(second)], weights(whole))


@over_wires
def test_without_an_optimizer_gradients_are_passed_on_and_nothing_is_learned(make: Make) -> None:
    module = net(3, 2)
    before = weights(module)
    process, node = serve(make, module)
    _, pullback = process.vjp(X)
    assert_same([pullback(G)], [local(copy.deepcopy(module), X, G)[1]])
    assert_same(weights(module), before)
    assert node.version == 0
    assert all(weight.grad is None for weight in module.parameters())


@over_wires
def test_the_phase_says_whether_the_module_is_trained(make: Make) -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), net(3, 2), nn.Dropout(0.5)).double()
    before = weights(module)
    process, node = serve(make, module, sgd(module))
    y, pullback = process.vjp(X, phase=Phase.VALIDATE)
    expected, expected_gradient = local(copy.deepcopy(module).eval(), X, G)
    assert_same([y, pullback(G)], [expected, expected_gradient])
    assert_same([process(X)], [expected])
    assert_same(weights(module), before)
    assert node.version == 0
    assert module.training

    y, pullback = process.vjp(X)
    assert np.any(y == 0)  # dropped
    pullback(G)
    assert not np.allclose(weights(module)[2], before[2])
    assert node.version == 1


def test_a_frozen_part_stays_frozen(make: Make) -> None:
    normalize = nn.BatchNorm1d(3).double().eval()
    module = nn.Sequential(normalize, net(3, 2))
    process, _ = serve(make, module, sgd(module[1]))
    process(X)
    process.vjp(X)[1](G)
    assert module.training
    assert not normalize.training
    assert normalize.running_mean is not None
    assert_same([normalize.running_mean], [np.zeros(3)])


@over_wires
def test_dicts_are_keyword_arguments_and_come_back_as_dicts(make: Make) -> None:
    class Mix(nn.Module):
        def forward(self, wind: Tensor, target: dict[str, Any], scale: Tensor, mode: str, count: int) -> Any:
            assert (mode, count) == ("fast", 3)
            return {
                "sum": wind * scale + target["place"],
                "rest": [target["place"] ** 2, mode],
                "unused": wind.detach(),
            }

    process, _ = serve(make, Mix())
    place = np.arange(3.0)
    body = {"wind": X, "target": {"place": place, "ids": np.arange(3)}, "scale": 2.5, "mode": "fast", "count": 3}
    y, pullback = process.vjp(body)
    assert_same([y["sum"], y["rest"][0]], [X * 2.5 + place, place**2])
    assert y["rest"][1] == "fast"
    gradient = pullback({"sum": np.ones((5, 3)), "rest": [np.ones(3), None], "unused": None})
    assert_same([gradient["wind"], gradient["target"]["place"]], [np.full((5, 3), 2.5), 5 + 2 * place])
    assert gradient["scale"] == pytest.approx(X.sum())
    assert gradient["mode"] is gradient["count"] is gradient["target"]["ids"] is None


@pytest.mark.parametrize("unpack", [True, False])
def test_lists_are_positional_arguments_unless_they_are_to_stay_lists(make: Make, unpack: bool) -> None:
    class Product(nn.Module):
        def forward(self, *parts: Any) -> Any:
            one, other = parts if unpack else parts[0]
            return one * other

    process, _ = serve(make, Product(), unpack=unpack)
    y, pullback = process.vjp([X, 2 * X])
    assert_same([y], [2 * X**2])
    assert_same(pullback(np.ones((5, 3))), [2 * X, X])


def test_several_sources_are_several_arguments(make: Make) -> None:
    model, split, trainer = make("model"), make("split"), make("trainer")
    swergio.torch.serve(model, nn.Bilinear(3, 3, 2).double(), None, ("left", "right"), "y")
    split.forward("x", "left")(lambda ctx, x: x).backward(lambda ctx, gradient: gradient)
    other = make("other")
    other.forward("x", "right")(lambda ctx, x: 2 * x).backward(lambda ctx, gradient: 2 * gradient)
    for component in (model, split, other):
        component.start()
    _, pullback = trainer.start().process("x", "y", gradients=2).vjp(X)
    assert pullback(G).shape == X.shape


def test_floats_come_in_the_dtype_of_the_weights_and_go_back_in_theirs(make: Make) -> None:
    process, _ = serve(make, net(3, 2).float())
    y, pullback = process.vjp(X)
    assert y.dtype == np.float32
    assert pullback(G).dtype == np.float64


def test_bfloat16_travels_as_it_is(make: Make) -> None:
    process, _ = serve(make, net(3, 2).bfloat16())
    x = torch.tensor(X).bfloat16()
    y, pullback = process.vjp(x)
    assert str(y.dtype) == str(pullback(y).dtype) == "bfloat16"


def test_arrays_arrive_on_the_device_of_the_module(make: Make) -> None:
    class Where(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, device="meta"))

        def forward(self, x: Tensor, ids: Tensor) -> list[str]:
            return [x.device.type, ids.device.type]

    process, _ = serve(make, Where())
    assert process([X, np.arange(3)]) == ["meta", "meta"]


def test_a_module_may_write_into_its_input(make: Make) -> None:
    process, _ = serve(make, nn.ReLU(inplace=True))
    y, pullback = process.vjp(X)
    assert_same([y, pullback(np.ones((5, 3)))], [np.maximum(X, 0), X > 0])


@pytest.mark.parametrize(
    ("gradient", "problem"),
    [
        (np.ones((5, 1)), r"the gradient has the shape \(5, 1\), and what it belongs to \(5, 2\)"),
        ("much better", "the gradient is a str, and a gradient is a number or an array of numbers"),
        ({"y": G}, "the gradient is a dict"),
    ],
)
def test_feedback_that_is_no_gradient_of_the_product_is_told(make: Make, gradient: Any, problem: str) -> None:
    module = net(3, 2)
    process, node = serve(make, module, sgd(module))
    _, pullback = process.vjp(X)
    with pytest.raises(swergio.PassFailed, match=problem):
        pullback(gradient)
    assert node.version == 0
    process.vjp(X)[1](G)
    assert node.version == 1


def test_an_optimizer_that_cannot_train_the_module_is_refused() -> None:
    module, component = net(3, 2), swergio.Component("model", "memory://nowhere")
    with pytest.raises(swergio.ConfigurationError, match="has none of the weights of Sequential"):
        swergio.torch.serve(component, module, sgd(net(3, 2)), "x", "y")
    with pytest.raises(swergio.ConfigurationError, match="LBFGS"):
        swergio.torch.serve(component, module, torch.optim.LBFGS(module.parameters()), "x", "y")


def test_training_goes_on_from_its_checkpoint(make: Make, tmp_path: Any) -> None:
    whole = net(3, 2)
    optimizer = torch.optim.Adam(whole.parameters(), lr=0.01)
    for _ in range(6):
        local(whole, X, G)
        optimizer.step()
        optimizer.zero_grad()

    process = make("trainer").start().process("x", "y")
    for resumed in (False, True):
        module = net(3, 2)
        own = torch.optim.Adam(module.parameters(), lr=0.01)
        model = make("model")
        node = swergio.torch.serve(model, module, own, "x", "y")
        assert swergio.torch.checkpoint(node, module, own, every=100, path=tmp_path / "net.pt") is resumed
        assert node.version == (3 if resumed else 0)
        model.start()
        for _ in range(3):
            process.vjp(X)[1](G)
        model.close()
    assert_same(weights(module), weights(whole))
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    assert_same([*state["module"].values()], weights(whole))

    other = swergio.torch.serve(make("other"), net(4, 2), None, "x", "y")
    with pytest.raises(swergio.CheckpointFailed, match="size mismatch"):
        swergio.torch.checkpoint(other, net(4, 2), every=1, path=tmp_path / "net.pt")
