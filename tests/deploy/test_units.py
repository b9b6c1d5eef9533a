"""The units of systemd: what systemd itself says to them, and their commands, run as they stand."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from swergio.settings.loading import VARIABLES
from tests.deploy.units import DEPLOY, Unit
from tests.hosts.programs import Program

UNITS = ("swergio-hub.service", "swergio@.service")
BIN = "/opt/swergio/bin"

analyse = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)  # noqa: S607


@analyse
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for name in UNITS:
        (tmp_path / name).write_text(Unit(name).text.replace(BIN, str(Path(sys.executable).parent)))
    told = analyze("verify", "--man=no", *(str(tmp_path / name) for name in UNITS))
    assert (told.stdout + told.stderr, told.returncode) == ("", 0)


@analyse
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_the_service_well_shut_in(name: str, tmp_path: Path) -> None:
    file = tmp_path / name.replace("@", "@x")
    file.write_text(Unit(name).text)
    told = analyze("security", "--offline=true", "--threshold=20", str(file))
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("name", UNITS)
def test_what_is_set_are_settings_and_the_secrets_are_those_that_the_script_makes(name: str, secrets: Path) -> None:
    unit = Unit(name)
    variables = unit.environment({"%d": "/credentials"})
    assert {name for name in variables if name.startswith("SWERGIO_")} <= set(VARIABLES)
    used = {Path(value).name for value in variables.values() if value.startswith("/credentials/")}
    assert used == set(unit.credentials)
    for source in unit.credentials.values():
        assert (secrets / Path(source).name).is_file()
        assert source.startswith("/etc/swergio/")


def test_the_commands_run_with_what_the_units_give_them(secrets: Path, tmp_path: Path) -> None:
    """
    A hub and two components, each with the command, the environment and the working folder of its unit.
    """
    configuration = (DEPLOY / "swergio.toml").read_text("utf-8")
    url = f"wss://127.0.0.1:{free_port()}"
    for said in ("wss://broker.example.org:7300", "wss://0.0.0.0:7300"):
        assert f'"{said}"' in configuration
        configuration = configuration.replace(f'"{said}"', f'"{url}"')
    (tmp_path / "swergio.toml").write_text(configuration)
    (tmp_path / "world.py").write_text(WORLD)
    (tmp_path / "universe.py").write_text(UNIVERSE)

    hub = start(Unit("swergio-hub.service"), "hub", secrets, tmp_path)
    try:
        hub.wait_for(f"listening on {url}")
        world, universe = (start(Unit("swergio@.service"), name, secrets, tmp_path) for name in ("world", "universe"))
        assert universe.wait() == 0, universe.output
        assert universe.output == "Hello Universe!\n"
        assert [world.stop(), hub.stop()] == [0, 0]
    finally:
        for program in (hub, world, universe):
            program.kill()


WORLD = """
import swergio
world = swergio.Component("world")
world.on("chat")(lambda message: "Hello Universe!")
world.run()
"""

UNIVERSE = """
import swergio
with swergio.Component("universe") as universe:
    print(universe.request("chat", "Hello World!"))
"""


def start(unit: Unit, name: str, secrets: Path, folder: Path) -> Program:
    """
    Run a unit's command.
    """
    specifiers = {"%d": str(secrets), "%i": name}
    places = {BIN: str(Path(sys.executable).parent), "/opt/swergio/components": str(folder)}
    command = unit.command(specifiers | places)
    assert unit.all("WorkingDirectory") == ["/etc/swergio"]
    return Program(command, unit.environment(specifiers), folder / f"{name}.log")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
