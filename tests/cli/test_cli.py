"""
The command line, run as a program.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import pytest

import swergio
from swergio.hub.connection_file import read

DEADLINE = 30.0
SWERGIO = [sys.executable, "-c", "from swergio.cli import main; main()"]
BARE_HUB = [sys.executable, "-m", "swergio.hub"]

Program: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = "Callable[..., Program]"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A working folder and a runtime folder with nothing in them.
    """
    for name in os.environ:
        if name.startswith("SWERGIO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SWERGIO_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """
    A function that starts a program, by default ``swergio``; it is killed with the test.
    """
    programs: list[Program] = []

    def start_one(*arguments: str, command: list[str] = SWERGIO) -> Program:
        pipe = subprocess.PIPE
        programs.append(subprocess.Popen([*command, *arguments], stdout=pipe, stderr=pipe, text=True))
        return programs[-1]

    yield start_one
    for program in programs:
        with program:
            program.kill()


@pytest.fixture
def url(start: Start) -> str:
    """
    Where a ``swergio hub`` listens.
    """
    return where(start("hub", "--listen", "ws://127.0.0.1:0"))


def where(hub: Program) -> str:
    *_, url = first_line(hub.stdout).split()
    return url


def first_line(stream: object) -> str:
    line = stream.readline()  # type: ignore[attr-defined]
    assert isinstance(line, str)
    return line


def run(*arguments: str, told: str | None = None, command: list[str] = SWERGIO) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments], input=told, capture_output=True, text=True, timeout=DEADLINE, check=False
    )


def signalled(program: Program, number: int) -> tuple[int, str, str]:
    """
    Return its exit code, and what it still had to say, after a signal.
    """
    program.send_signal(number)
    output, errors = program.communicate(timeout=DEADLINE)
    return program.returncode, output, errors


# -- swergio ----------------------------------------------------------------------------------------------------------


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    script = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from swergio.cli import main; main()"
    done = run("--help", command=[sys.executable, "-c", script])
    commands = {line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line[:2] == "  "}

    wanted = {"demo", "hub", "up", "doctor", "send", "ask", "watch", "rooms", "top", "passes", "desk", "keys", "bench"}
    assert wanted <= commands
    assert set(done.stdout.split()).isdisjoint(
        {"rich", "pydantic", "numpy", "websockets", "matplotlib", "filelock", "yaml"}
    )


def test_version() -> None:
    assert run("--version").stdout == f"swergio {version('swergio')}\n"


def test_without_the_extra_it_names_the_extra() -> None:
    script = "import sys; sys.modules.update(typer=None, rich=None); from swergio.cli import main; main()"
    done = run("rooms", command=[sys.executable, "-c", script])

    assert done.returncode == 2
    assert done.stderr == "The command line needs typer. Run: pip install 'swergio[cli]'\n"


@pytest.mark.parametrize(
    "command", [["rooms"], ["send", "chat", "hello"], ["ask", "chat", "hello"], ["watch", "chat"], ["top"], ["passes"]]
)
def test_an_error_is_one_line_and_exit_code_1(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_CONNECT_TIMEOUT", "0.1")
    done = run(*command, "--url", "ws://127.0.0.1:1")

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"swergio: cannot connect to ws://127\.0\.0\.1:1: .*\n", done.stderr)


# -- hub --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [[*SWERGIO, "hub"], BARE_HUB], ids=["swergio hub", "python -m swergio.hub"])
def test_a_hub_in_the_foreground_ends_cleanly(start: Start, command: list[str], number: int) -> None:
    hub = start("--listen", "ws://127.0.0.1:0", "--listen", "ws://localhost:0", command=command)
    urls = [where(hub), where(hub)]
    with swergio.Component("one", urls[0]) as one, swergio.Component("other", urls[1]) as other:
        one.join("shared")
        assert [member.instance for member in other.members("shared")] == [one.instance]
        assert signalled(hub, number) == (0, "", "")


def test_the_bare_hub_needs_no_extra(start: Start) -> None:
    without = "import runpy, sys; sys.modules.update(typer=None, rich=None); "
    script = without + "runpy.run_module('swergio.hub', alter_sys=True, run_name='__main__')"
    hub = start("--listen", "ws://127.0.0.1:0", command=[sys.executable, "-c", script])

    with swergio.Component("only", where(hub)) as only:
        assert only.rooms() == []


def test_a_hub_with_a_token_asks_for_it(start: Start, place: Path) -> None:
    (place / "token").write_text("open sesame\n")
    url = where(start("hub", "--listen", "ws://127.0.0.1:0", "--token-file", "token"))

    with pytest.raises(swergio.AccessRefused):
        swergio.Component("thief", url, token="open barley").start()
    with swergio.Component("Ali Baba", url, token="open sesame") as component:
        assert component.rooms() == []


def test_a_hub_refuses_to_listen_for_everyone_unless_that_is_meant(start: Start) -> None:
    refused = run("hub", "--listen", "ws://0.0.0.0:0")
    assert refused.returncode == 1
    assert "expected a token that every component has to show and TLS" in refused.stderr

    assert where(start("hub", "--listen", "ws://0.0.0.0:0", "--insecure"))


def test_a_hub_says_which_address_is_taken(url: str) -> None:
    second = run("hub", "--listen", url)

    assert second.returncode == 1
    assert second.stderr.startswith(f"swergio: cannot listen on {url}: Address already in use")


# -- send, ask, watch, rooms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told", "type", "data"),
    [
        (["hello"], None, "DATA/TEXT", "hello"),
        (['{"x": [1, 2.5, null]}'], None, "DATA/CUSTOM", {"x": [1, 2.5, None]}),
        (["3", "--text"], None, "DATA/TEXT", "3"),
        (["-", "--type", "DATA/REWARD"], "0.5\n", "DATA/REWARD", 0.5),
        (["-"], "two\nlines\n", "DATA/TEXT", "two\nlines"),
    ],
)
def test_send(url: str, arguments: list[str], told: str | None, type: str, data: object) -> None:
    received: queue.SimpleQueue[swergio.Message] = queue.SimpleQueue()
    receiver = swergio.Component("receiver", url)
    receiver.on("box")(received.put)
    with receiver:
        done = run("send", "box", *arguments, "--url", url, told=told)
        message = received.get(timeout=DEADLINE)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (message.type, message.data) == (type, data)


def test_send_to_somebody_who_is_not_there(url: str) -> None:
    done = run("send", "box", "hello", "--to", "nobody", "--url", url)

    assert done.returncode == 1
    assert done.stderr.startswith("swergio: no 'nobody' is connected")


def test_ask(url: str) -> None:
    oracle = swergio.Component("oracle", url)
    oracle.on("oracle")(lambda message: {"answer": message.data["question"] * 2})
    with oracle:
        question = ["ask", "oracle", '{"question": 21}', "--url", url]
        assert run(*question).stdout == '{"answer": 42}\n'
        assert json.loads(run(*question, "--json").stdout) == {"answer": 42}
        failed = run("ask", "oracle", "what?", "--url", url)

    assert failed.returncode == 1
    assert re.fullmatch(r"swergio: oracle#\w+ failed to answer in 'oracle': TypeError.*\n", failed.stderr)


def test_ask_where_nobody_is(url: str) -> None:
    done = run("ask", "nowhere", "hello", "--timeout", "0.1", "--url", url)

    assert done.returncode == 1
    assert done.stderr.startswith("swergio: room 'nowhere' had no member")


def watching(start: Start, url: str, *arguments: str) -> tuple[Program, swergio.Component]:
    """
    Start ``swergio watch a b``; return it, and a component, when the watcher sees what that sends.
    """
    watch = start("watch", "a", "b", "--url", url, *arguments)
    sender = swergio.Component("sender", url).start()
    while {member.instance.name for room in "ab" for member in sender.members(room)} != {"swergio-watch"}:
        assert watch.poll() is None, watch.communicate()
    return watch, sender


def test_watch_shows_messages_as_they_come_and_ctrl_c_ends_it(start: Start, url: str) -> None:
    watch, sender = watching(start, url)
    with contextlib.closing(sender):
        sender.send("a", "beep \x1b[2J\a")
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d\.\d\d\d  a  {sender.instance}  DATA/TEXT  beep \\x1b\[2J\\x07\n", first_line(watch.stdout)
        )
        sender.send("b", {"x": 1}, to=sender.instance, type="DATA/LABEL")
        assert f"  b  {sender.instance} → {sender.instance}  DATA/LABEL  " in first_line(watch.stdout)

        code, more, errors = signalled(watch, signal.SIGINT)
    assert (code, more, errors) == (0, "", "watching a, b; Ctrl-C ends\n")


def test_watch_for_programs(start: Start, url: str) -> None:
    watch, sender = watching(start, url, "--json")
    with contextlib.closing(sender):
        sender.on("a", "DATA/FORWARD")(lambda message: message.feedback([0.5, float("nan")]))
        with swergio.Component("source", url) as source:
            source.send("a", [1.0], type="DATA/FORWARD")
            forward, feedback = (json.loads(first_line(watch.stdout)) for _ in range(2))

    assert (forward["kind"], forward["data"], forward["sender"]) == ("message", [1.0], source.instance)
    assert (feedback["kind"], feedback["type"], feedback["data"]) == ("feedback", "DATA/GRADIENT", [0.5, "nan"])
    assert (feedback["to"], feedback["parent"]) == (source.instance, forward["id"])


def test_watch_ends_with_its_reader(start: Start, url: str) -> None:
    watch, sender = watching(start, url)
    assert watch.stdout is not None
    watch.stdout.close()
    with contextlib.closing(sender):
        sender.send("a", "for nobody")
        assert watch.wait(DEADLINE) == 1

    assert watch.stderr is not None
    assert watch.stderr.read() == "watching a, b; Ctrl-C ends\n"


def test_rooms(url: str) -> None:
    assert run("rooms", "--url", url).stdout == "There is no room.\n"
    with swergio.Component("guest", url) as guest:
        guest.join("bar")
        guest.join("kitchen", group="cooks")
        room, kitchen = json.loads(run("rooms", "--url", url, "--json").stdout)
        table = run("rooms", "--url", url).stdout

    assert (room["room"], room["members"]) == ("bar", [[guest.instance, "reliable", None]])
    assert (kitchen["room"], kitchen["members"]) == ("kitchen", [[guest.instance, "reliable", "cooks"]])
    assert re.search(rf"^kitchen +{guest.instance} \(group cooks\) +0 *$", table, re.MULTILINE)
    assert re.search(rf"^bar +{guest.instance} +0 *$", table, re.MULTILINE)


def test_without_a_url_it_uses_the_users_own_hub(place: Path) -> None:
    assert run("rooms").stdout == "There is no room.\n"
    hub = read(place / "swergio")
    assert hub is not None
    with swergio.Component("guest") as guest:
        guest.join("bar")
        assert [room["room"] for room in json.loads(run("rooms", "--json").stdout)] == ["bar"]
    os.kill(hub.pid, signal.SIGTERM)
