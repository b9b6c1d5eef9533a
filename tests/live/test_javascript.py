"""The example in JavaScript as a component among others: it answers and asks, and broken links cost it nothing."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.codec.frames import Op
from swergio.hub import HubThread
from swergio.testing import FaultProxy, Inbox
from tests.live.node import EXAMPLE, Node, prepare
from tests.vectors import FOLDER as VECTORS
from tests.vectors import load as load_vectors

# Once is enough: what differs between versions of Python is not at work here. npm may take minutes where all is busy.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

DEADLINE = 30
KILLS = 12


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return prepare(tmp_path_factory.mktemp("javascript"))


@contextmanager
def running(node: Node, role: str, url: str) -> Iterator[None]:
    """
    A component in JavaScript, from when it is ready until it has closed by itself.
    """
    process = node.start("peer.mjs", role, url)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield
        process.terminate()
        out, complaints = process.communicate(timeout=DEADLINE)
        assert (process.returncode, complaints) == (0, ""), out
    finally:
        process.kill()
        process.communicate()


def test_it_answers(node: Node) -> None:
    with (
        HubThread(["ws://127.0.0.1:0"]) as hub,
        running(node, "double", hub.urls[0]),
        swergio.Component("universe", hub.urls[0]) as universe,
    ):

        def ask(value: Any) -> Any:
            return universe.request("numbers", value, timeout=DEADLINE)

        assert [ask(value) for value in (1, -2.5, 2**40, None, [1, [2]])] == [2, -5, 2**41, None, [2, [4]]]
        for dtype in ("float32", "float64", "int8", "uint16", "int64"):
            array = np.arange(6, dtype=dtype).reshape(2, 3)
            answer = ask(array)
            assert answer.dtype == dtype
            np.testing.assert_array_equal(answer, array * 2)
        large = np.random.default_rng(1).normal(size=(512, 1024))
        for _ in range(2):  # the second time, on Linux, it goes to the hub through shared memory, and on as bytes
            np.testing.assert_array_equal(ask([1, large, large[:2].copy()])[2], large[:2] * 2)


def test_what_its_handler_raises_is_the_answer(node: Node) -> None:
    with HubThread(["ws://127.0.0.1:0"]) as hub, swergio.Component("universe", hub.urls[0]) as universe:
        process = node.start("peer.mjs", "double", hub.urls[0])
        try:
            with pytest.raises(swergio.HandlerFailed, match="I cannot double that"):
                universe.request("numbers", "wrong", timeout=DEADLINE)
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE)


def test_it_asks(node: Node) -> None:
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        oracle = swergio.Component("oracle", hub.urls[0])

        @oracle.on("oracle")
        def answer(message: swergio.Message) -> Any:
            if isinstance(message.data, np.ndarray):
                return message.data.sum()
            return {"question": message.data["question"], "answer": 42}

        with oracle:
            process = node.start("peer.mjs", "ask", hub.urls[0])
            out, complaints = process.communicate(timeout=DEADLINE)
    assert (process.returncode, complaints) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["{ question: '6 * 7', answer: 42 }", "6"]
    assert "TypeError" in lines[2]
    assert lines[3:] == ["no members", "ready"]


def test_broken_connections_lose_double_and_reorder_nothing(node: Node) -> None:
    """
    1,000 messages go to it and come back by it, while its connection is reset 12 times.
    """
    came = Inbox()
    with HubThread(["ws://127.0.0.1:0"]) as hub, FaultProxy("127.0.0.1", port_of(hub)) as proxy:
        here = swergio.Component("here", hub.urls[0])
        here.on("back")(came.take_data)
        with running(node, "echo", proxy.url("ws")), here:
            killer = threading.Thread(target=kill, args=(proxy, pace := threading.Event()))
            killer.start()
            for number in range(1000):
                here.send("there", number)
                if number % 10 == 0:
                    pace.wait(0.05)
            killer.join()
            here.send("there", "the last")
            assert came.wait(1001, DEADLINE) == [*range(1000), "the last"]
            assert proxy.counters.resets >= KILLS
            assert here.stats.lost == 0


def kill(proxy: FaultProxy, pace: threading.Event) -> None:
    killed = 0
    while killed < KILLS:
        killed += proxy.abort_one()
        pace.wait(0.1)


def test_a_new_hub_gets_what_the_old_one_did_not_acknowledge(node: Node) -> None:
    came = Inbox()
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        url = hub.urls[0]
        here = swergio.Component("here", url)
        here.on("back")(came.take_data)
        process = node.start("peer.mjs", "echo", url)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        here.start()
        here.send("there", "before")
        came.wait(1, DEADLINE)
    try:
        with HubThread([url]):
            for number in range(100):
                here.send("there", number)
            assert came.wait(101, DEADLINE) == ["before", *range(100)]
            here.close()
            process.terminate()
            assert process.communicate(timeout=DEADLINE)[1] == ""
    finally:
        process.kill()


def test_the_example_program_answers(node: Node) -> None:
    with HubThread(["ws://127.0.0.1:0"], authorize=lambda shown: shown == "right") as hub:
        world = node.start("world.mjs", hub.urls[0], "right")
        try:
            with swergio.Component("universe", hub.urls[0], token="right") as universe:
                assert universe.request("galactic_chat", "Hello World!", timeout=DEADLINE) == "Hello Universe!"
            world.send_signal(signal.SIGINT)
            out, complaints = world.communicate(timeout=DEADLINE)
            assert (world.returncode, complaints) == (0, "")
            assert out == f"{universe.instance}: Hello World!\n"
        finally:
            world.kill()
            world.communicate()


@pytest.mark.parametrize("token", ["wrong", None])
def test_a_refused_token_is_said_to_be_one(node: Node, token: str | None) -> None:
    with HubThread(["ws://127.0.0.1:0"], authorize=lambda shown: shown == "right") as hub:
        world = node.start("world.mjs", hub.urls[0], *([token] if token else []))
        out, complaint = world.communicate(timeout=DEADLINE)
        assert (world.returncode, out) == (1, "")
        assert complaint == f"{hub.urls[0]} does not accept this token, or needs one\n"


def test_the_client_is_small_and_its_lock_file_names_no_host() -> None:
    source = (EXAMPLE / "swergio.mjs").read_text("utf-8").splitlines()
    assert len(source) <= 200
    assert max(map(len, source)) <= 120
    lock = json.loads((EXAMPLE / "package-lock.json").read_text("utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert all("integrity" in package and "resolved" not in package for package in packages)


def port_of(hub: HubThread) -> int:
    return int(hub.urls[0].rpartition(":")[2])


def test_it_reads_and_writes_the_vectors(node: Node) -> None:
    out, complaints = node.start("vectors.mjs", str(VECTORS)).communicate(timeout=DEADLINE)
    assert complaints == ""
    assert out == f"{len(frames())} frames read, {sum(Op[op] < Op.WELCOME for op in frames())} written\n"


def frames() -> list[str]:
    """
    Return the op of each frame of the vectors.
    """
    steps = [step for conversation in load_vectors("conversations") for step in conversation["steps"]]
    return [frame["op"] for packet in (*load_vectors("frames"), *steps) for frame in packet["frames"]]
