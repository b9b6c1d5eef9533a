"""
The settings as pydantic models: names, types, bounds and defaults, and where pydantic-settings finds them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from swergio.errors import ConfigurationError

FILE_NAME = "swergio.toml"
PREFIX = "SWERGIO_"
KIB = 1024
MIB = 1024 * KIB

_UNITS = {unit + suffix: 1024**power for power, unit in enumerate(("", "ki", "mi", "gi")) for suffix in ("", "b")}
_UNITS |= {"kb": 10**3, "mb": 10**6, "gb": 10**9}


def _bytes(value: object) -> object:
    """
    Read ``"64 MiB"`` as 67108864; what is no text is left to the check for int.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", value, re.IGNORECASE | re.ASCII)
    unit = _UNITS.get(match[2].lower()) if match else None
    return int(match[1]) * unit if match and unit else value


def _texts(value: object) -> object:
    """
    Read ``"a, b"`` as two texts: a variable holds no list.
    """
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _existing(path: Path | None) -> Path | None:
    path = path.expanduser() if path else None
    if path and not path.is_file():
        raise ValueError("the path of a file that exists")
    return path


def _at_hand(path: Path | None) -> Path | None:
    path = path.expanduser() if path else None
    if path and not path.exists():
        raise ValueError("the path of a folder or file that exists")
    return path


# The description of a type is what an error says was expected.
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number of seconds above 0")]
Pause = Annotated[float, Field(ge=0, allow_inf_nan=False, description="a number of seconds, 0 or more")]
Count = Annotated[int, Field(ge=1, description="a whole number, 1 or more")]
Size = Annotated[
    int, BeforeValidator(_bytes), Field(ge=1, description="a number of bytes above 0, such as 8388608 or '8 MiB'")
]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Field(description="a list of texts, or one with commas")]
Switch = Annotated[bool, Field(description="true or false")]
Loop = Annotated[Literal["auto", "asyncio", "uvloop"], Field(description="auto, asyncio or uvloop")]
Frames = Annotated[Literal["auto", "websockets", "picows"], Field(description="auto, websockets or picows")]
File = Annotated[Path | None, AfterValidator(_existing), Field(description="the path of a file that exists")]

FileOrFolder = Annotated[
    Path | None, AfterValidator(_at_hand), Field(description="the path of a folder or file that exists")
]


class HubSettings(BaseModel):
    """
    What ``swergio hub`` reads: the table ``[hub]``, or ``SWERGIO_HUB_*``.

    Attributes:
        listen: The URLs that it listens on; if there is none, loopback.
        room_limit: Bytes that one room keeps for members that are behind.
        session_grace: Seconds that an instance whose connection broke is waited for before it has left.
        max_sessions: Components that may be connected at once.
        group_grace: Seconds that a group whose last member has gone is kept, with what it had not finished.
        history_limit: Bytes that one room keeps of what its members have handled, for those who join later.
        memory_limit: Bytes of all rooms together; at the limit senders are slowed.
        insecure: Listening beyond loopback without a token and TLS (or CURVE) is meant.
        origins: The origins of web pages that may connect; no page may unless it is named.
        linger: Seconds that a hub which was started on demand stays after its last component has gone.
        shared_memory: Bytes of large arrays that a component of the hub's own host may have in memory which it shares
            with the hub and the others there; 0 has all of them travel on the sockets.
        curve_clients: The public keys that ZeroMQ components may come in with: a folder of ``*.key`` files, or a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Texts = ()
    room_limit: Size = 64 * MIB
    session_grace: Pause = 20.0
    group_grace: Pause = 60.0
    history_limit: Annotated[int, BeforeValidator(_bytes), Field(ge=0, description="a number of bytes, or 0")] = 1 * MIB
    max_sessions: Count = 4096
    memory_limit: Size = 512 * MIB
    insecure: Switch = False
    origins: Texts = ()
    linger: Pause = 30.0
    shared_memory: Annotated[int, BeforeValidator(_bytes), Field(ge=0, description="a number of bytes, or 0")] = (
        128 * MIB
    )
    curve_clients: FileOrFolder = None


class UrlSettings(BaseSettings):
    """
    The URL alone. It is looked up before the other settings, as its query says some of them.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_prefix=PREFIX,
        env_ignore_empty=True,
        env_nested_delimiter="_",  # SWERGIO_HUB_ROOM_LIMIT is hub.room_limit:
        env_nested_max_split=1,  # split once, as keys have underscores too
        enable_decoding=False,  # lists are separated by commas, not written in JSON
        hide_input_in_errors=True,
    )

    url: Annotated[str | None, Field(min_length=1, description="a URL such as ws://localhost:7300")] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """
        Name the places, the first one first. See pydantic-settings.
        """
        file = nearest_file()
        return (init_settings, env_settings, *([_Toml(settings_cls, file)] if file else []))


class Settings(UrlSettings):
    """
    All settings of a component, checked. `load` makes it; made directly, it does not read the query of its URL.

    Sizes are bytes and may be given as text, such as ``"64 MiB"``; times are seconds.

    Attributes:
        url: The deployment; None is the user's own hub, started when it is needed.
        token: What a hub knows the component by; with Redis, the password. Never shown by ``repr``.
        token_file: A file that holds the token; said in the same place as ``token``, one of them must go.
        username: The user of a Redis that has several; the token is this user's password.
        namespace: Keeps deployments apart that share one Redis: it begins all keys and channels.
        recovery: With Redis, whether rooms keep what they need to recover from a broken connection. Without, messages
            are published and no more: those of that time are lost, and reported.
        connect_timeout: Until the first connection must stand.
        send_timeout: How long a ``send`` may wait on a full outbox.
        request_timeout: How long a request waits for its reply.
        pass_timeout: How long a pass may take, forward and back.
        close_timeout: How long ``close`` waits until all that was sent is acknowledged.
        max_message: The largest message, sent or received.
        outbox_limit: What is queued for one destination before ``send`` waits.
        window: What a member takes ahead of its handler.
        max_open_passes: How many passes a source keeps open.
        heartbeat: How often a silent connection says that it is there.
        dead_after: How long a connection may be silent before it counts as dead; more than ``heartbeat``.
        stats_interval: How often the component tells those in the room ``_stats`` what it counts; 0: never.
        tls_ca: Certificates (PEM) of the authorities to trust, instead of the system's.
        tls_cert: The own certificate (PEM): a hub's, or a component's where the hub asks for one.
        tls_key: Its private key, unless ``tls_cert`` holds it.
        curve_key: The own key pair for ZeroMQ, a file of ``swergio keys``.
        curve_hub: The public key of the hub, for ZeroMQ; with it, connections over TCP are encrypted.
        loop: The event loop of a hub and of plain components, ``asyncio`` or ``uvloop``; ``auto`` is uvloop where it is
            installed. `swergio.asyncio` runs on the loop of its caller.
        websocket: What makes WebSocket frames, ``websockets`` or ``picows``; ``auto`` is picows where it is installed.
        shared_memory: Large arrays may go through memory that a hub of this host shares.
        hub: What ``swergio hub`` reads.
    """

    model_config = SettingsConfigDict(extra="forbid")

    token: Annotated[SecretStr | None, Field(min_length=1, description="a text that is not empty")] = None
    token_file: File = None
    username: Annotated[str | None, Field(min_length=1, description="the name of a user")] = None
    namespace: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="1 to 64 letters, digits, '_', '.' or '-'")
    ] = "swergio"
    recovery: Switch = True
    connect_timeout: Seconds = 10.0
    send_timeout: Seconds = 30.0
    request_timeout: Seconds = 60.0
    pass_timeout: Seconds = 60.0
    close_timeout: Seconds = 5.0
    max_message: Size = 64 * MIB
    outbox_limit: Size = 16 * MIB
    window: Size = 8 * MIB
    max_open_passes: Count = 32
    heartbeat: Seconds = 5.0
    dead_after: Seconds = Field(default=15.0, validate_default=True)
    stats_interval: Pause = 1.0
    tls_ca: File = None
    tls_cert: File = None
    tls_key: File = None
    curve_key: File = None
    curve_hub: File = None
    loop: Loop = "auto"
    websocket: Frames = "auto"
    shared_memory: Switch = True
    hub: HubSettings = Field(default=HubSettings(), description="a table of the hub's settings")

    @field_validator("dead_after")
    @classmethod
    def _outlasts_a_heartbeat(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat", 0.0)  # absent if it is wrong itself, which is reported first
        if value <= heartbeat:
            raise ValueError(f"more than 'heartbeat', which is {heartbeat:g}")
        return value

    @field_validator("tls_key")
    @classmethod
    def _has_its_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value and not info.data.get("tls_cert"):
            raise ValueError("'tls_cert' beside it")
        return value


class _Toml(TomlConfigSettingsSource):
    """
    ``swergio.toml``, whose relative paths start at its own folder.
    """

    def __init__(self, settings_cls: type[BaseSettings], file: Path) -> None:
        self._folder = file.parent
        try:
            super().__init__(settings_cls, file)
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"{file} cannot be read: {exc}", "a TOML file in UTF-8") from exc

    def __call__(self) -> dict[str, Any]:
        said = dict(super().__call__())
        for key in ("token_file", "tls_ca", "tls_cert", "tls_key", "curve_key", "curve_hub"):
            if isinstance(said.get(key), str):
                said[key] = self._folder / Path(said[key]).expanduser()
        hub = said.get("hub")
        if isinstance(hub, dict) and isinstance(hub.get("curve_clients"), str):
            said["hub"] = {**hub, "curve_clients": self._folder / Path(hub["curve_clients"]).expanduser()}
        return said


def nearest_file() -> Path | None:
    """
    Return the ``swergio.toml`` of the working folder, or of the nearest folder above it that has one.
    """
    folder = Path.cwd()
    return next((file for above in (folder, *folder.parents) if (file := above / FILE_NAME).is_file()), None)
