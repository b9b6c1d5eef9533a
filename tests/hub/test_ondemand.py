"""
The user's own hub: found, started once however many want it, and replaced whatever became of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import swergio
from swergio.hub.connection_file import NAME, Address, read
from swergio.hub.ondemand import LOG_NAME, locate
from swergio.settings import load

DEADLINE = 30.0

WORLD = """
import swergio

world = swergio.Component("world")

@world.on("galactic_chat", "DATA/TEXT")
def reply(message):
    return "Hello Universe!"

world.run()
"""

UNIVERSE = """
import swergio

with swergio.Component("universe") as universe:
    print(universe.request("galactic_chat", "Hello World!"))
"""

MEMBER = """
import sys
import swergio

print("ready", flush=True)
sys.stdin.readline()
with swergio.Component("member") as member:
    member.join("assembly")
    print("joined", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    Where the connection file of this test's hubs is; the last hub is ended with the test.
    """
    for name in os.environ:
        if name.startswith("SWERGIO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SWERGIO_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "swergio"
    end_hub(tmp_path / "swergio")


def end_hub(folder: Path) -> None:
    if hub := read(folder):
        os.kill(hub.pid, signal.SIGTERM)
        wait_until(lambda: not answers(hub), "the end of the hub")


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"waited {DEADLINE:g} s for {what}"
        time.sleep(0.01)


def answers(hub: Address) -> bool:
    address = urlsplit(hub.url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def running(folder: Path) -> Address:
    hub = read(folder)
    assert hub is not None
    return hub


def hubs_in_log(folder: Path) -> set[str]:
    """
    Return the process ids of all hubs that ever came to listen.
    """
    return set(re.findall(r"(\d+) INFO swergio.hub: listening", (folder / LOG_NAME).read_text()))


def start(*script: str, **options: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *script], stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options
    )


@contextlib.contextmanager
def ended(*programs: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        for program in programs:
            with program:
                program.kill()


def go_on(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


def said(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


# -- starting ---------------------------------------------------------------------------------------------------------


def test_ten_processes_that_start_at_once_share_one_hub(folder: Path) -> None:
    members = [start("-c", MEMBER) for _ in range(10)]
    with ended(*members):
        assert [said(member) for member in members] == ["ready"] * 10
        for member in members:
            go_on(member)
        assert [said(member) for member in members] == ["joined"] * 10

        with swergio.Component("clerk") as clerk:
            assert len({member.instance for member in clerk.members("assembly")}) == 10
        assert hubs_in_log(folder) == {str(running(folder).pid)}


@pytest.mark.long
@pytest.mark.parametrize("order", ["world first", "universe first"])
def test_two_scripts_find_each_other_in_either_order_ten_times(tmp_path: Path, order: str) -> None:
    (tmp_path / "world.py").write_text(WORLD)
    (tmp_path / "universe.py").write_text(UNIVERSE)
    names = ["world.py", "universe.py"] if order == "world first" else ["universe.py", "world.py"]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda number: meet(tmp_path, number, names), range(10)))

    assert outcomes == [("Hello Universe!\n", "", 0, "", "", 0)] * 10


def meet(tmp_path: Path, number: int, names: list[str]) -> tuple[str, str, int, str, str, int]:
    """
    Run the scripts with a hub of their own, the second when the first has started it.
    """
    place = tmp_path / f"run-{number}"
    environment = {**os.environ, "SWERGIO_RUNTIME_DIR": str(place)}
    scripts: dict[str, subprocess.Popen[str]] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(end_hub, place / "swergio")
        for name in names:
            scripts[name] = start(str(tmp_path / name), env=environment)
            stack.enter_context(ended(scripts[name]))
            wait_until(lambda: read(place / "swergio"), "the hub")
        universe, world = scripts["universe.py"], scripts["world.py"]
        told, complaint = universe.communicate(timeout=DEADLINE)
        world.send_signal(signal.SIGINT)
        more = world.communicate(timeout=DEADLINE)
        return told, complaint, universe.returncode, *more, world.returncode


def test_the_files_are_for_this_user_alone(folder: Path) -> None:
    umask = os.umask(0)
    try:
        locate(load())
    finally:
        os.umask(umask)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes) == {NAME, LOG_NAME, "start.lock"}
    assert set(modes.values()) == {0o600}


def test_without_the_token_nobody_comes_in() -> None:
    url, token = locate(load())
    with pytest.raises(swergio.AccessRefused):
        swergio.Component("stranger", url).start()
    with swergio.Component("friend", url, token=token) as friend:
        assert friend.rooms() == []


def test_a_hub_that_cannot_start_says_why(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "path" / "websockets"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))

    with pytest.raises(swergio.ConnectFailed, match=r"did not start: .*broken on purpose.* \(its log is "):
        swergio.Component("early", connect_timeout=5).start()  # it looks again until then
    assert read(folder) is None


def test_what_the_component_was_told_about_the_hub_counts() -> None:
    with swergio.Component("only", hub={"max_sessions": 1}), pytest.raises(swergio.ConnectFailed, match="1 components"):
        swergio.Component("second", connect_timeout=1).start()


# -- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_open_to_others_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(swergio.ConfigurationError, match=f"chmod 700 {folder}"):
        swergio.Component("careful").start()


def test_a_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(swergio.ConfigurationError, match="SWERGIO_RUNTIME_DIR"):
        swergio.Component("careful").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(swergio.ConfigurationError, match="not a folder of this user"):
        swergio.Component("careful").start()
    os.chown(folder, 0, 0)


# -- stale files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00" * 50, b'{"url": "ws://127.0.0.1:1"}'])
def test_a_file_that_makes_no_sense_is_replaced(folder: Path, content: bytes) -> None:
    folder.mkdir(mode=0o700)
    (folder / NAME).write_bytes(content)

    with swergio.Component("first") as first:
        assert first.rooms() == []


def test_a_stranger_on_the_port_of_a_dead_hub_hears_nothing(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        left_behind = {
            "url": f"ws://127.0.0.1:{stranger.getsockname()[1]}", "token": "old", "pid": os.getpid(), "version": "0.1.0"
        }  # fmt: skip
        (folder / NAME).write_text(json.dumps(left_behind))

        with swergio.Component("first") as first:
            assert first.rooms() == []
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            stranger.accept()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
def test_components_come_back_when_their_hub_is_gone(folder: Path, number: int) -> None:
    world = swergio.Component("world")
    world.on("chat")(lambda message: f"{message.data} indeed")
    with world, swergio.Component("universe") as universe:
        before = running(folder)
        assert universe.request("chat", "one", timeout=DEADLINE) == "one indeed"

        os.kill(before.pid, number)
        wait_until(lambda: not answers(before), "the end of the hub")

        assert universe.request("chat", "two", timeout=DEADLINE) == "two indeed"
        assert running(folder).pid != before.pid


def test_components_meet_again_when_the_file_was_deleted(folder: Path) -> None:
    world = swergio.Component("world")
    world.on("chat")(lambda message: "here")
    with world:
        before = running(folder)
        (folder / NAME).unlink()

        with swergio.Component("universe") as universe:
            assert universe.request("chat", "where?", timeout=DEADLINE) == "here"
        assert running(folder).pid != before.pid
        wait_until(lambda: not answers(before), "the end of the hub without a file")


def test_a_hub_of_another_version_is_refused_for_good(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    other = start(
        "-c",
        f"""if True:
        import pathlib
        import swergio.hub.router
        from swergio.hub.serving import serve_on_demand
        from swergio.settings import load
        swergio.hub.router.VERSION = 99
        serve_on_demand(load(), pathlib.Path({str(folder)!r}), lambda: print("ready", flush=True))
    """,
    )
    with ended(other):
        assert said(other) == "ready"
        with pytest.raises(swergio.IncompatiblePeer, match=r"speaks version 99.* install the same version"):
            swergio.Component("older").start()


# -- its life ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linger", [0, 0.1])
def test_it_ends_when_its_last_component_has_been_gone_for_a_while(folder: Path, linger: float) -> None:
    with swergio.Component("only", hub={"linger": linger}):
        hub = running(folder)
    wait_until(lambda: not answers(hub), "the end of the hub")

    assert not (folder / NAME).exists()


def test_it_leaves_the_file_of_another_hub_alone(folder: Path) -> None:
    locate(load())
    hub = running(folder)
    (folder / "other").write_text("another hub's")
    (folder / "other").replace(folder / NAME)
    wait_until(lambda: not answers(hub), "the end of the hub that was replaced")

    assert (folder / NAME).read_text() == "another hub's"


def test_it_outlives_the_terminal_of_the_component_that_started_it(folder: Path) -> None:
    member = start("-c", MEMBER, start_new_session=True)
    with ended(member):
        go_on(member)
        assert (said(member), said(member)) == ("ready", "joined")
        before = running(folder)
        os.killpg(member.pid, signal.SIGINT)  # as Ctrl-C does to all processes of a terminal
        member.wait(DEADLINE)

    with swergio.Component("next") as component:
        assert component.rooms() is not None
    assert running(folder) == before


def test_it_holds_nothing_of_the_process_that_started_it(folder: Path) -> None:
    ours, theirs = os.pipe()
    script = f"import os, swergio; os.set_inheritable({theirs}, True); swergio.Component('brief').start().close()"
    done = subprocess.run(
        [sys.executable, "-c", script], pass_fds=[theirs], capture_output=True, timeout=DEADLINE, check=True
    )
    os.close(theirs)

    assert (done.stdout, done.stderr) == (b"", b"")  # these pipes have ended too, or this would still wait
    assert select.select([ours], [], [], DEADLINE)[0], "the hub holds a pipe of its starter"
    assert os.read(ours, 1) == b""
    os.close(ours)
    assert answers(running(folder))
