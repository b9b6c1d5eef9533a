"""
Swarms of real processes on a real hub: started in their order, watched, started again, and stopped whole.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import swergio
from swergio.swarm import State
from swergio.testing import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no swarms on Windows")

DEADLINE = 30.0

MEMBER = """
import os, sys
import swergio

member = swergio.Component(sys.argv[1])
member.on("room")(lambda message: [os.environ["SWERGIO_REPLICA"], os.getpid()])
member.run()
print("closed")
"""

ASKS = """
import swergio

with swergio.Component("asks") as asks:
    print(len(asks.members("room")))
    for reply in asks.gather("room", None, count=3):
        print(reply.sender.name, *reply.data)
"""

CHILD = """
import subprocess, sys
import swergio

deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print("child", child.pid)
with swergio.Component("parent") as parent:
    child.wait()
"""

DIES_ONCE = """
import os, pathlib, signal
import swergio

component = swergio.Component("mortal")
mark = pathlib.Path("died")
if not mark.exists():
    mark.touch()
    component.start()
    os.kill(os.getpid(), signal.SIGKILL)
component.run()
"""


class Heard:
    """
    What a swarm told, line by line, from its own thread.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def swarm(heard: Heard, place: Path) -> Iterator[swergio.Swarm]:
    """
    A swarm with a hub of its own, and ``member.py`` and others in its folder.
    """
    for name, text in {"member": MEMBER, "child": CHILD, "mortal": DIES_ONCE}.items():
        (place / f"{name}.py").write_text(text)
    with swergio.Swarm({"hub": True, "settings": {"stop_timeout": 20}}, output=heard) as swarm:
        yield swarm


@pytest.fixture
def bare(heard: Heard) -> Iterator[swergio.Swarm]:
    """
    A swarm without a hub, for programs that need none.
    """
    with swergio.Swarm(output=heard) as swarm:
        yield swarm


def visitor(swarm: swergio.Swarm) -> swergio.Component:
    return swergio.Component("visitor", swarm.url, token=swarm.token)


def states(swarm: swergio.Swarm) -> dict[str, State]:
    return {status.name: status.state for status in swarm.status}


def start_and_wait(swarm: swergio.Swarm) -> None:
    swarm.start()
    swarm.wait(DEADLINE)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # In a container there may be nobody who buries what has died: it counts as gone.
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"


def gone(*pids: int) -> None:
    for pid in pids:
        eventually(partial(is_gone, pid), f"process {pid} is gone", DEADLINE)


# -- starting ---------------------------------------------------------------------------------------------------------


def test_each_is_started_when_the_one_before_is_in_its_rooms_and_knows_its_number(
    swarm: swergio.Swarm, heard: Heard, place: Path
) -> None:
    (place / "asks.py").write_text(ASKS)
    swarm.add("single", "member.py", arguments=["single"])
    swarm.add("several", "member.py", arguments="several", replicas=2)
    swarm.add("asks", "asks.py", main=True)
    swarm.start()
    swarm.wait(DEADLINE)

    first, *others = heard.of("asks")
    pids = {status.name: status.pid for status in swarm.status}
    assert first == "3"
    assert set(others) == {
        f"single 0 {pids['single']}",
        f"several 0 {pids['several-0']}",
        f"several 1 {pids['several-1']}",
    }
    order = [line for line in heard.of("") if line.endswith("is ready")]
    assert order[:2] == ["hub is ready", "single is ready"]
    assert set(order[2:4]) == {"several-0 is ready", "several-1 is ready"}
    assert order[4:] == ["asks is ready"]


def test_stopping_closes_components_in_good_order(swarm: swergio.Swarm, heard: Heard) -> None:
    swarm.add("one", "member.py", arguments=["one"])
    swarm.add("other", "member.py", arguments=["other"])
    swarm.start()
    swarm.stop("one")
    assert states(swarm) == {"hub": State.READY, "one": State.STOPPED, "other": State.READY}
    assert (heard.of("one"), heard.of("other")) == (["closed"], [])
    with visitor(swarm) as asks:
        assert [member.instance.name for member in asks.members("room")] == ["other"]

    swarm.start()
    assert states(swarm) == {"hub": State.READY, "one": State.READY, "other": State.READY}
    pids = [status.pid for status in swarm.status]
    swarm.stop()
    assert heard.of("other") == ["closed"]
    gone(*(pid for pid in pids if pid))
    assert swarm.status == []


def test_a_component_with_another_deployment_is_not_told_the_token(swarm: swergio.Swarm, heard: Heard) -> None:
    say = "import os; print(os.environ.get('SWERGIO_TOKEN'), os.environ['SWERGIO_URL'])"
    swarm.add("ours", command=[sys.executable, "-c", say])
    swarm.add("theirs", command=[sys.executable, "-c", say], settings={"url": "ws://127.0.0.1:1"})
    swarm.start()
    swarm.wait(DEADLINE)

    assert heard.of("ours") == [f"{swarm.token} {swarm.url}"]
    assert heard.of("theirs") == ["None ws://127.0.0.1:1"]


# -- ends -------------------------------------------------------------------------------------------------------------


def test_one_that_died_is_started_again(swarm: swergio.Swarm, heard: Heard) -> None:
    swarm.add("mortal", "mortal.py", restart={"policy": "on-failure", "pause": 0.05})
    swarm.start()
    eventually(lambda: swarm.status[-1].restarts == 1, "it is started again", DEADLINE)
    eventually(lambda: swarm.status[-1].state is State.READY, "it is ready again", DEADLINE)

    assert swarm.status[-1].exit_code == -signal.SIGKILL
    assert "mortal was ended by SIGKILL" in heard.of("")


FAILING = {
    "never": ({}, "component 'broken' ended with exit code 3; the last it said: no luck"),
    "on-failure": (
        {"restart": {"policy": "on-failure", "limit": 2, "pause": 0.01}},
        "component 'broken' ended with exit code 3, after 2 restarts in a row; the last it said: no luck",
    ),
}


@pytest.mark.parametrize(("keys", "said"), FAILING.values(), ids=FAILING)
def test_one_that_fails_for_good_says_why(bare: swergio.Swarm, heard: Heard, keys: dict[str, Any], said: str) -> None:
    bare.add("broken", command=[sys.executable, "-c", "print('no luck'); raise SystemExit(3)"], **keys)
    with pytest.raises(swergio.ComponentFailed) as failed:
        start_and_wait(bare)

    assert str(failed.value) == said
    assert states(bare) == {"broken": State.FAILED}
    assert heard.of("broken") == ["no luck"] * (1 + keys.get("restart", {}).get("limit", 0))


def test_always_means_after_a_good_end_too(bare: swergio.Swarm) -> None:
    bare.add("again", command=["true"], restart={"policy": "always", "limit": 2, "pause": 0.01})
    with pytest.raises(swergio.ComponentFailed, match="ended, after 2 restarts in a row"):
        start_and_wait(bare)


def test_one_that_never_says_that_it_is_ready_is_not_waited_for_for_ever(bare: swergio.Swarm) -> None:
    sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
    bare.add("sleeper", command=sleeper, ready="joined", ready_timeout=0.3)
    with pytest.raises(swergio.ComponentFailed, match=r"'sleeper' was not ready after 0\.3 s"):
        bare.start()


def test_a_program_that_is_not_there_is_named(bare: swergio.Swarm) -> None:
    bare.add("nothing", command=["no-such-program"])
    with pytest.raises(swergio.ComponentFailed, match=r"cannot be started: .*no-such-program"):
        bare.start()


def test_any_language_can_say_that_it_is_ready(bare: swergio.Swarm, heard: Heard) -> None:
    bare.add("shell", command=["sh", "-c", 'echo ready > "$SWERGIO_READY"; exec sleep 100'], ready="joined")
    bare.start()
    assert heard.of("")[-1] == "shell is ready"


def test_children_of_a_component_end_with_it_even_deaf_ones(swarm: swergio.Swarm, heard: Heard) -> None:
    swarm.add("parent", "child.py")
    swarm.start()
    child = int(heard.of("parent")[0].split()[1])
    assert not is_gone(child)
    swarm.stop("parent")
    gone(child)


def test_a_component_that_does_not_end_is_killed(bare: swergio.Swarm, heard: Heard) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    bare.add("deaf", command=[sys.executable, "-c", deaf], stop_timeout=0.2)
    bare.start()
    eventually(lambda: heard.of("deaf"), "it is deaf", DEADLINE)
    bare.stop("deaf")

    assert heard.of("")[-2:] == ["deaf was killed, since it did not end", "deaf is stopped"]


@pytest.mark.long
def test_a_hub_that_was_killed_comes_back_where_it_was(swarm: swergio.Swarm) -> None:
    swarm.add("member", "member.py", arguments=["member"])
    swarm.start()
    url, (hub, member) = swarm.url, (status.pid for status in swarm.status)
    assert hub is not None
    os.kill(hub, signal.SIGKILL)
    with visitor(swarm) as asks:
        (_, answered) = asks.request("room", None, timeout=DEADLINE)

    assert (swarm.url, answered) == (url, member)
    assert swarm.status[0].restarts == 1


def test_what_two_threads_start_is_started_once(bare: swergio.Swarm) -> None:
    bare.add("member", command=["sleep", "100"])
    threads = [threading.Thread(target=bare.start, args=["member"]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    eventually(lambda: states(bare).get("member") is State.READY, "it is ready", DEADLINE)

    assert len(bare.status) == 1
    with pytest.raises(swergio.ConfigurationError, match="no component 'membre'; expected one of member"):
        bare.start("membre")


def test_a_swarm_whose_process_is_killed_leaves_nothing(place: Path) -> None:
    (place / "member.py").write_text(MEMBER)
    script = (
        "import signal, swergio\n"
        "member = {'script': 'member.py', 'arguments': 'x'}\n"
        "with swergio.Swarm({'hub': True, 'components': {'member': member}}) as swarm:\n"
        "    print('pids', *(status.pid for status in swarm.status), flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pids = next(line for line in program.stdout if line.startswith("pids")).split()[1:]
        program.kill()
        gone(*map(int, pids))
