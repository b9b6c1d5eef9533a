"""What a node has learned is on disk, whole, whatever happens to its component."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

import swergio
from swergio.hub import HubThread
from swergio.passes import checkpoints
from swergio.settings import load
from swergio.testing.faces import FACES, PlainFace, component


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url() -> Iterator[str]:
    with HubThread(["ws://127.0.0.1:0"], load("memory://", hub={"session_grace": 0.2})) as hub:
        yield hub.urls[0]


class Counter:
    """
    A node whose weight is how often it learned.
    """

    def __init__(self, face: str, url: str, path: Path, every: int = 2) -> None:
        self.value = 0
        self.model: PlainFace = component(face, "model", url)
        self.node: Any = self.model.forward("x", "y")(lambda ctx, x: x)
        self.node.backward(self._learn)
        self.resumed = self.node.checkpoint(self._save, self._load, every=every, path=path)

    def _learn(self, _ctx: Any, gradient: Any) -> Any:
        self.value += 1
        self.node.updated()
        return gradient

    def _save(self, file: BinaryIO) -> None:
        file.write(json.dumps({"value": self.value}).encode())

    def _load(self, file: BinaryIO) -> None:
        self.value = json.loads(file.read())["value"]

    def train(self, url: str, passes: int) -> None:
        with swergio.Component("trainer", url) as trainer:
            process = trainer.process("x", "y")
            for _ in range(passes):
                process.vjp(1.0)[1](1.0)


def saved(path: Path) -> tuple[Any, int]:
    payload, version = checkpoints.read(path)
    return json.loads(payload)["value"], version


def test_every_few_updates_and_the_end_are_saved(face: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "counter"
    first = Counter(face, url, path)
    assert not first.resumed
    first.model.start()
    first.train(url, 1)
    assert not path.exists()
    first.train(url, 4)
    assert saved(path) == (4, 4)
    assert saved(path.with_name("counter.previous")) == (2, 2)
    first.model.end()
    assert saved(path) == (5, 5)

    second = Counter(face, url, path)
    assert (second.resumed, second.value, second.node.version) == (True, 5, 5)
    second.model.start()
    second.train(url, 1)
    assert saved(path) == (5, 5)
    second.train(url, 1)
    assert saved(path) == (7, 7)
    second.model.end()


def test_without_a_path_it_is_called_after_component_and_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = swergio.Component("model", "memory://nowhere")

    @model.forward("x", "y")
    def predict(_ctx: Any, x: Any) -> Any:
        return x

    predict.checkpoint(lambda file: file.write(b"weights"), lambda file: None, every=1)
    monkeypatch.chdir("/")  # it stays where it was
    predict.updated()
    assert (tmp_path / "model.predict.checkpoint").read_bytes().startswith(b"weights")


@pytest.fixture
def two_saved(url: str, tmp_path: Path) -> Path:
    """
    A checkpoint of 4, and the one before of 2.
    """
    path = tmp_path / "counter"
    counter = Counter("plain", url, path)
    counter.model.start()
    counter.train(url, 4)
    counter.model.close()
    return path


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "gone", "another"])
def test_the_one_before_is_loaded_if_one_is_broken(
    two_saved: Path, url: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = two_saved.read_bytes()
    if damage == "gone":
        two_saved.unlink()  # what a machine that died between the two renames leaves
    else:
        broken = {
            "truncated": content[:-20],
            "altered": content.replace(b"4", b"5", 1),
            "empty": b"",
            "another": b"x" * 99,
        }
        two_saved.write_bytes(broken[damage])
    with caplog.at_level(logging.WARNING, "swergio.passes"):
        counter = Counter("plain", url, two_saved)
    assert (counter.value, counter.node.version) == (2, 2)
    assert ("counter is broken" in caplog.text) is (damage != "gone")

    counter.model.start()
    counter.train(url, 2)
    counter.model.close()
    assert saved(two_saved) == (4, 4)
    assert saved(two_saved.with_name("counter.previous")) == (2, 2)  # and not the broken one


def test_two_broken_ones_are_told_and_left_as_they_are(two_saved: Path, url: str) -> None:
    content = two_saved.read_bytes()[5:]
    two_saved.write_bytes(content)
    two_saved.with_name("counter.previous").write_bytes(b"")
    with pytest.raises(
        swergio.CheckpointFailed, match=r"counter is broken: .* counter\.previous is broken: its 0 bytes"
    ):
        Counter("plain", url, two_saved)
    assert two_saved.read_bytes() == content


def test_a_function_that_cannot_load_is_told(two_saved: Path) -> None:
    model = swergio.Component("model", "memory://nowhere")
    node = model.forward("x", "y")(lambda ctx, x: x)

    def load(_file: BinaryIO) -> None:
        raise KeyError("layers")

    with pytest.raises(swergio.CheckpointFailed, match="the function that loads it raised KeyError: 'layers'"):
        node.checkpoint(lambda file: None, load, every=1, path=two_saved)
    assert node.version == 0
    node.checkpoint(lambda file: None, lambda file: None, every=1, path=two_saved)  # nobody holds the name


def test_a_failure_to_save_is_told_and_leaves_what_was_there(two_saved: Path) -> None:
    model = swergio.Component("model", "memory://nowhere")
    node = model.forward("x", "y")(lambda ctx, x: x)

    def save(file: BinaryIO) -> None:
        file.write(b"half of it")
        raise OSError("no space left on device")

    node.checkpoint(save, lambda file: None, every=1, path=two_saved)
    before = sorted(two_saved.parent.iterdir())
    with pytest.raises(swergio.CheckpointFailed, match=r"no space left on device\. The one before is still there"):
        node.updated()
    assert sorted(two_saved.parent.iterdir()) == before
    assert saved(two_saved) == (4, 4)


def test_two_components_cannot_have_one(two_saved: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LOCKED_FOR", 0.1)
    first = Counter("plain", url, two_saved)
    with pytest.raises(swergio.ConfigurationError, match="is that of another component that is running"):
        Counter("plain", url, two_saved)
    first.model.start()
    first.model.close()
    Counter("plain", url, two_saved)


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_every_must_be_a_number_of_updates(every: Any, tmp_path: Path) -> None:
    with pytest.raises(swergio.ConfigurationError, match="a number of updates above 0"):
        Counter("plain", "memory://nowhere", tmp_path / "counter", every)


def test_what_ctrl_c_left_half_done_is_not_saved(url: str, tmp_path: Path) -> None:
    path = tmp_path / "counter"
    counter = Counter("plain", url, path, every=3)
    learn = counter.node.backward_function

    def interrupted(ctx: Any, gradient: Any) -> Any:
        learn(ctx, gradient)
        if counter.value == 5:
            raise KeyboardInterrupt
        return gradient

    counter.node.backward(interrupted)
    with swergio.Component("trainer", url) as trainer:
        process = trainer.process("x", "y")

        def train() -> None:
            for _ in range(4):
                process.vjp(1.0)[1](1.0)
            with pytest.raises(swergio.PassFailed):
                process.vjp(1.0)[1](1.0)

        training = threading.Thread(target=train)
        training.start()
        counter.model.run()
        training.join(20)
    assert saved(path) == (3, 3)


KILLED = """
import os, signal, sys
import swergio

path, url, killed_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = swergio.Component("model", url)
weights = [0]


def save(file):
    file.write(weights[0].to_bytes(8, "little") * 1000)
    if weights[0] == killed_at:
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)  # in the middle of a checkpoint


def load(file):
    weights[0] = int.from_bytes(file.read(8), "little")


@model.forward("x", "y")
def predict(ctx, x):
    return x


@predict.backward
def learn(ctx, gradient):
    weights[0] += 1
    predict.updated()
    return weights[0]


predict.checkpoint(save, load, every=3, path=path)
model.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_component_that_is_killed_goes_on_from_its_last_checkpoint(url: str, tmp_path: Path) -> None:
    def start(killed_at: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "error", "-c", KILLED, str(tmp_path / "counter"), url, str(killed_at)]
        return subprocess.Popen(command)

    def steps(count: int) -> list[Any]:
        return [trainer.process("x", "y").vjp(1.0, timeout=30)[1](1.0, timeout=30) for _ in range(count)]

    with swergio.Component("trainer", url) as trainer:
        first = start(killed_at=6)
        assert steps(5) == [1, 2, 3, 4, 5]
        _, pullback = trainer.process("x", "y").vjp(1.0)
        with pytest.raises(swergio.PassFailed, match="left before answering"):
            pullback(1.0)
        assert first.wait(20) == -signal.SIGKILL

        second = start(killed_at=0)
        assert steps(2) == [4, 5]
        second.terminate()
        assert second.wait(20) == 0
        third = start(killed_at=0)
        assert steps(1) == [6]
        third.kill()
        assert third.wait(20) == -signal.SIGKILL
