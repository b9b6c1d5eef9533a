"""
What a file of a swarm may say, what becomes of it, and how a mistake in it is told.
"""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

import swergio
from swergio.swarm import Common, Description, Entry
from swergio.swarm.programs import Program


@pytest.fixture(autouse=True)
def scripts(place: Path) -> None:
    for name in ("a.py", "b.py", "c.jl"):
        (place / name).write_text("")
    for folder in (".venv/bin", "old/bin"):
        (place / folder).mkdir(parents=True)
        python = place / folder / "python"
        python.write_text("#!/bin/sh\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)


def described(text: str) -> Description:
    Path("swarm.yaml").write_text(text, "utf-8")
    return Description("swarm.yaml")


def programs(text: str) -> dict[str, Program]:
    return described(text).programs


# -- what is understood -----------------------------------------------------------------------------------------------


def test_a_component_is_a_script_a_module_or_any_command(place: Path) -> None:
    found = programs("""
        components:
          short: a.py
          script: {script: a.py, arguments: [--seed, 1, "two words"]}
          module: {module: swergio.demo.weather, arguments: --seed 1 "two words"}
          other: {command: [node, world.mjs]}
          ready: {command: sh run.sh, ready: joined}
    """)

    assert [program.command for program in found.values()] == [
        (sys.executable, str(place / "a.py")),
        (sys.executable, str(place / "a.py"), "--seed", "1", "two words"),
        (sys.executable, "-m", "swergio.demo.weather", "--seed", "1", "two words"),
        ("node", "world.mjs"),
        ("sh", "run.sh"),
    ]
    assert [program.joins for program in found.values()] == [True, True, True, False, True]
    assert {program.folder for program in found.values()} == {place}


def test_a_component_overrides_what_is_said_for_all(place: Path) -> None:
    (place / "data").mkdir()
    (place / "token").write_text("secret")
    found = programs("""
        settings:
          url: ws://hub:1
          token_file: token
          request_timeout: 5
          python: .venv
          environment: {COLOUR: red, DEPTH: 3}
          restart: on-failure
          ready_timeout: 90
          stop_timeout: 3
        components:
          a: a.py
          b:
            script: b.py
            python: old/bin/python
            folder: data
            environment: {COLOUR: blue}
            settings: {url: redis://other, recovery: false}
            restart: {policy: always, limit: 2, pause: 0.1}
            ready_timeout: 1
            replicas: 2
            delay: 0.5
            main: true
    """)
    a, b = found.values()
    everywhere = {
        "SWERGIO_URL": "ws://hub:1",
        "SWERGIO_TOKEN_FILE": str(place / "token"),
        "SWERGIO_REQUEST_TIMEOUT": "5",
        "COLOUR": "red",
        "DEPTH": "3",
    }

    assert a.command[0] == str(place / ".venv/bin/python")
    assert a.environment == everywhere
    assert (a.restart.policy, a.restart.limit, a.replicas, a.main) == ("on-failure", 5, 1, False)
    assert (a.ready_timeout, a.stop_timeout, a.delay) == (90, 3, 0)
    assert b.command[0] == str(place / "old/bin/python")
    assert b.environment == everywhere | {
        "COLOUR": "blue",
        "SWERGIO_URL": "redis://other",
        "SWERGIO_RECOVERY": "false",
    }
    assert (b.restart.policy, b.restart.limit, b.restart.pause) == ("always", 2, 0.1)
    assert (b.ready_timeout, b.stop_timeout, b.delay) == (1, 3, 0.5)
    assert (b.replicas, b.main, b.folder) == (2, True, place / "data")


def test_a_file_of_002_is_understood(place: Path) -> None:
    found = programs("""
        settings:
          python_envpath: .venv/bin/
          python_cmd: python
          julia_envpath: .
        components:
          server: {filepath: a.py, delay: 3}
          other: {filepath: b.py, envpath: old/}
          third: {filepath: a.py, python_cmd: python3}
          fourth: {filepath: c.jl}
    """)

    server, other, third, fourth = found.values()
    assert server.command == (str(place / ".venv/bin/python"), str(place / "a.py"))
    assert (server.delay, server.joins) == (3, True)
    assert other.command == (str(place / "old/bin/python"), str(place / "b.py"))
    assert Path(third.command[0]).name == "python3"
    assert fourth.command == ("julia", f"--project={place}", str(place / "c.jl"))
    assert not fourth.joins


def test_a_hub_gets_its_settings_and_the_token_of_the_components(place: Path) -> None:
    (place / "token").write_text("secret\n")
    hub = "hub: {listen: [ws://127.0.0.1:0, ws://localhost:0], room_limit: 1 MiB, shared_memory: 0}"
    description = described(f"{hub}\nsettings: {{token_file: token, heartbeat: 2}}")

    assert description.hub is not None
    assert description.hub.command[-4:] == ("--listen", "ws://127.0.0.1:0", "--listen", "ws://localhost:0")
    assert description.hub.environment == {
        "SWERGIO_HEARTBEAT": "2",
        "SWERGIO_HUB_ROOM_LIMIT": "1 MiB",
        "SWERGIO_HUB_SHARED_MEMORY": "0",
    }
    assert description.token == "secret"
    assert described("hub: false").hub is None


def test_what_is_added_is_looked_at_just_so(place: Path) -> None:
    description = Description({"settings": {"restart": "always"}})
    description.add("a", "a.py", arguments=["-v"], replicas=3)
    a = description.programs["a"]

    assert (a.command, a.replicas) == ((sys.executable, str(place / "a.py"), "-v"), 3)
    assert a.restart.policy == "always"
    with pytest.raises(swergio.ConfigurationError, match=r"components\.a is there already"):
        description.add("a", "b.py")
    with pytest.raises(swergio.ConfigurationError, match=r"components\.b\.replicas is 0; expected a whole number"):
        description.add("b", "b.py", replicas=0)
    assert list(description.programs) == ["a"]


def test_the_page_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs/swarm.md").read_text("utf-8")
    tables, _, old = page.partition("### Files of 0.0.2")
    named = set(re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE))
    for_all = set(re.findall(r"`(\w+)`", re.findall(r"for all of them: (.*?), and any", tables, re.DOTALL)[0]))
    old_keys = set(re.findall(r"`(?:settings\.)?(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", old, re.MULTILINE))))

    assert named | old_keys == set(Entry.model_fields) | set(Common.model_fields)
    assert for_all | old_keys == set(Common.model_fields) | {"filepath", "envpath", "delay"}


# -- mistakes ---------------------------------------------------------------------------------------------------------

A = "components: {a: {script: a.py, "

MISTAKES = {
    "": "swarm.yaml is nothing; expected a table",
    "- a\n- b": "swarm.yaml is ['a', 'b']; expected a table",
    "components: {a: [": "swarm.yaml is no YAML: line 1, column 18: expected the node content",
    "a: \x07": "swarm.yaml is no YAML: unacceptable character",
    "components:\n  a: a.py\n  a: b.py\n": "swarm.yaml: a is there twice, in lines 2 and 3; expected each key once",
    "component: {a: a.py}": "swarm.yaml: component is not known; expected one of components, hub, settings. Did you",
    "components: [a.py]": "swarm.yaml: components is ['a.py']; expected a table with a component in each line",
    "components: {a: 3}": "swarm.yaml: components.a is 3; expected a script, or a table",
    "components: {'a#b': a.py}": "swarm.yaml: components.a#b: ",
    "components: {hub: a.py}": "swarm.yaml: a component is called 'hub'; expected another name",
    "components: {a: {}}": "swarm.yaml: components.a does not say what to run; expected one of script, module, command",
    A + "module: b}}": "swarm.yaml: components.a says script and module; expected one of script,",
    "components: {a: none.py}": "swarm.yaml: components.a.script is 'none.py'; expected a file; there is no ",
    A + "replica: 2}}": "swarm.yaml: components.a.replica is not known; expected one of arguments, ",
    A + "replicas: 0}}": "swarm.yaml: components.a.replicas is 0; expected a whole number, 1 or more",
    A + "restart: sometimes}}": "swarm.yaml: components.a.restart.policy is 'sometimes'; expected never, on-failure or",
    A + "restart: {limits: 3}}}": "swarm.yaml: components.a.restart.limits is not known; expected one of limit, pause,",
    A + "restart: {limit: many}}}": "swarm.yaml: components.a.restart.limit is 'many'; expected a whole number, 1 or",
    A + "environment: {A: true}}}": "swarm.yaml: components.a.environment.A is True; expected names with texts or",
    A + "arguments: {a: 1}}}": "swarm.yaml: components.a.arguments is {'a': 1}; expected a list of texts and numbers",
    A + "ready: soon}}": "swarm.yaml: components.a.ready is 'soon'; expected joined or running",
    A + "ready_timeout: -1}}": "swarm.yaml: components.a.ready_timeout is -1; expected a number of seconds above 0",
    A + "folder: nowhere}}": "swarm.yaml: components.a.folder is 'nowhere'; expected a folder; there is no ",
    A + "python: nowhere/}}": "swarm.yaml: components.a.python is 'nowhere/'; expected an interpreter of Python, or ",
    A + "python: old, envpath: old}}": "swarm.yaml: components.a says python and envpath; expected one interpreter",
    A + "terminal_cmd: xterm}}": "swarm.yaml: components.a.terminal_cmd is of 0.0.2, and no terminals are opened any",
    A + "settings: {timeout: 3}}}": "swarm.yaml: components.a.settings.timeout is not known; expected one of close_t",
    A + "settings: {token: x}}}": "swarm.yaml: components.a.settings.token is a secret, in a file that others read;",
    A + "settings: {heartbeat: 0}}}": "swarm.yaml: components.a.settings.heartbeat is 0; expected a number of seconds",
    "components: {a: {command: [x], python: old}}": "swarm.yaml: components.a.python stands beside a command; expected",
    "components: {a: {filepath: a.rb}}": "swarm.yaml: components.a.filepath is 'a.rb'; expected a file that ends in",
    "settings: {terminal_cmd: xterm}": "swarm.yaml: settings.terminal_cmd is of 0.0.2, and no terminals are opened",
    "settings: {pyhton: old}": "swarm.yaml: settings.pyhton is not known; expected one of ",
    "settings: {url: 3}": "swarm.yaml: settings.url is 3; expected a URL such as ws://localhost:7300",
    "settings: {tls_ca: none.pem}": "swarm.yaml: settings.tls_ca is ",
    "hub: yes please": "swarm.yaml: hub is 'yes please'; expected true, false, or a table of a hub's settings",
    "hub: {room_limit: large}": "swarm.yaml: hub.room_limit is 'large'; expected a number of bytes above 0,",
    "hub: {rooms: 3}": "swarm.yaml: hub.rooms is no setting; expected one of curve_clients, ",
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.items(), ids=range(len(MISTAKES)))
def test_a_mistake_is_called_by_file_key_and_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(swergio.ConfigurationError, match=re.escape(said)):
        described(text)


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(swergio.ConfigurationError, match=r"none\.yaml cannot be read: .*No such file"):
        Description("none.yaml")


def test_without_pyyaml_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(swergio.MissingExtra, match=r"pip install 'swergio\[swarm\]'"):
        described("components: {}")
    assert list(Description({"components": {"a": "a.py"}}).programs) == ["a"]
