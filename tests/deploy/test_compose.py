"""The compose file and what it refers to: checked against the settings, the example and the script of secrets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from swergio.settings.loading import VARIABLES
from tests.deploy.units import DEPLOY, ROOT

FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COMPONENTS = [name for name in SERVICES if name != "redis"]

# Of the Compose specification; whoever uses another key looks it up there.
KEYS = {"configs", "name", "secrets", "services", "volumes", "x-component"}
SERVICE_KEYS = {
    "build", "cap_drop", "command", "configs", "environment", "healthcheck", "image", "logging", "mem_limit", "ports",
    "profiles", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "user", "volumes",
}  # fmt: skip
RESTARTS = {"no", "always", "unless-stopped"}


def test_its_keys_are_those_of_the_specification() -> None:
    assert set(COMPOSE) == KEYS
    for service in SERVICES.values():
        assert set(service) <= SERVICE_KEYS
        assert service["restart"] in RESTARTS
        assert len(service["profiles"]) == 1


def test_what_it_refers_to_is_declared_and_there(secrets: Path) -> None:
    for service in SERVICES.values():
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
        assert {config["source"] for config in service.get("configs", [])} <= set(COMPOSE["configs"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
    for declared in COMPOSE["configs"].values():
        assert (FOLDER / declared["file"]).is_file()
    for name, declared in COMPOSE["secrets"].items():
        assert declared == {"file": f"secrets/{name}"}
        assert (secrets / name).is_file()


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_is_a_program_of_the_example_with_real_settings(name: str) -> None:
    service = SERVICES[name]
    (program,) = service["command"]
    assert (ROOT / "examples" / "hosts" / program).is_file()
    assert set(service["environment"]) <= set(VARIABLES)
    mounted = {f"/run/secrets/{secret}" for secret in service["secrets"]}
    assert {value for value in service["environment"].values() if value.startswith("/")} == mounted


def test_every_program_of_the_example_is_a_service() -> None:
    programs = {path.stem for path in (ROOT / "examples" / "hosts").glob("*.py")}
    assert programs == set(COMPONENTS)


def test_redis_reads_the_secrets_that_it_is_given() -> None:
    configuration = (FOLDER / "redis.conf").read_text("utf-8")
    named = set(re.findall(r"/run/secrets/(\S+)", configuration))
    assert named == set(SERVICES["redis"]["secrets"])
    (mounted,) = SERVICES["redis"]["configs"]
    assert SERVICES["redis"]["command"] == ["redis-server", mounted["target"]]


def test_the_image_is_made_of_what_is_there() -> None:
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    (extras,) = re.findall(r"/src\[([\w,]+)\]", text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)
    assert COMPOSE["x-component"]["build"] == {"context": "../..", "dockerfile": "deploy/compose/Dockerfile"}
