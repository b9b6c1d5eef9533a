"""
The keys of ``swarm.yaml``: their names, types and defaults, as pydantic models.

Importing this imports pydantic. What does not show in one key alone is checked in `swergio.swarm.programs`.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from swergio.errors import ConfigurationError
from swergio.settings.model import Count, Pause, Seconds, Switch

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)


def _text(value: object) -> object:
    """
    Read a number as the text that a program is given; true and false are no text, and each has its own idea of them.
    """
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _words(value: object) -> object:
    if isinstance(value, str):
        return shlex.split(value)
    return [_text(word) for word in value] if isinstance(value, (list, tuple)) else value


def _texts_by_name(value: object) -> object:
    return {name: _text(text) for name, text in value.items()} if isinstance(value, Mapping) else value


def _policy_alone(value: object) -> object:
    if value is False:  # what YAML 1.1 reads "no" as
        return {"policy": "never"}
    return {"policy": value} if isinstance(value, str) else value


def _script_alone(value: object) -> object:
    return {"script": value} if isinstance(value, str) else value


# The description of a type is what an error says was expected.
Text = Annotated[str, BeforeValidator(_text), Field(min_length=1, description="a text that is not empty")]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    Field(description="a list of texts and numbers, or one text as one would type it"),
]
Variables = Annotated[
    dict[str, str],
    BeforeValidator(_texts_by_name),
    Field(description="names with texts or numbers (quote true and false)"),
]
Policy = Annotated[Literal["never", "on-failure", "always"], Field(description="never, on-failure or always")]
Ready = Annotated[Literal["joined", "running"], Field(description="joined or running")]
SettingsOfSwergio = Annotated[dict[str, Any], Field(description="settings of swergio, by their names")]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Restart(_Keys):
    """
    What happens when a program ends.

    Attributes:
        policy: ``never`` starts it again; ``on-failure`` does if it ended with an error; ``always`` does anyway.
        limit: So many restarts in a row, none of which lived for a minute; then it has failed.
        pause: Seconds before the first restart; each pause is twice the one before, up to 30 s.
    """

    policy: Policy = "never"
    limit: Count = 5
    pause: Seconds = 0.5


Restarts = Annotated[
    Restart,
    BeforeValidator(_policy_alone),
    Field(description="never, on-failure or always, or a table of policy, limit and pause"),
]


class Shared(_Keys):
    """
    What may be said for all components, and for each.

    Attributes:
        python: The interpreter: a program, or the folder of a virtual environment. By default the one that runs this.
        environment: Variables, beside those of whoever starts the swarm.
        restart: What happens when it ends.
        ready_timeout: Seconds that it may take to be ready.
        stop_timeout: Seconds between SIGTERM and SIGKILL when it is stopped.
        python_cmd: 0.0.2's word for ``python``.
        terminal_cmd: Of 0.0.2, and refused.
    """

    python: Text | None = None
    environment: Variables = {}
    restart: Restarts | None = None
    ready_timeout: Seconds | None = None
    stop_timeout: Seconds | None = None
    python_cmd: Text | None = None
    terminal_cmd: Any = None


class Common(Shared):
    """
    The table ``settings``, without swergio's own settings, which may stand in it too.

    Attributes:
        python_envpath, julia_envpath: 0.0.2's words for the environments of scripts in Python and in Julia.
    """

    python_envpath: Text | None = None
    julia_envpath: Text | None = None


class Entry(Shared):
    """
    One of ``components``. One of ``script``, ``module`` and ``command`` says what it runs.

    Attributes:
        script: A file in Python.
        module: A module of Python, as after ``python -m``.
        command: Any program, with its arguments.
        arguments: What the script or the module is given.
        folder: Its working folder; by default that of the file.
        replicas: How many of it are started. Each finds its number, from 0, in ``SWERGIO_REPLICA``.
        ready: When the next component may be started: ``joined``, when its first component is connected and in the
            rooms of its handlers; ``running``, at once. A ``command`` is ``running`` unless something else is said.
        delay: Seconds to wait beyond that, for what no signal tells.
        main: When it ends, the swarm has done its work, and the others are stopped.
        settings: Settings of swergio, such as ``url`` or ``request_timeout``, for it alone.
        filepath: 0.0.2's word for ``script``; one in Julia (``.jl``) is run with ``julia``.
        envpath: 0.0.2's word for its environment.
    """

    script: Text | None = None
    module: Text | None = None
    command: Words = ()
    arguments: Words = ()
    folder: Text | None = None
    replicas: Count = 1
    ready: Ready | None = None
    delay: Pause = 0.0
    main: Switch = False
    settings: SettingsOfSwergio = {}
    filepath: Text | None = None
    envpath: Text | None = None


class File(_Keys):
    """
    A whole file.

    Attributes:
        settings: What holds for all components.
        components: What is started, in this order.
        hub: Start a hub for the components; a table holds its settings, such as ``listen``.
    """

    settings: Annotated[dict[str, Any] | None, Field(description="a table")] = None
    components: Annotated[
        dict[str, Annotated[Entry, BeforeValidator(_script_alone)]],
        Field(description="a table with a component in each line"),
    ] = {}
    hub: Annotated[bool | dict[str, Any], Field(description="true, false, or a table of a hub's settings")] = False


def checked(model: type[Model], said: object, where: str, above: str = "", more: Collection[str] = ()) -> Model:
    """
    Return what was said as a model.

    Args:
        model: Which.
        said: What a file or a call has there.
        where: What an error calls the file.
        above: The key below which this stands.
        more: Further keys that the place knows, for an error that lists them.

    Raises:
        ConfigurationError: names the place, the key, and what was expected.
    """
    try:
        return model.model_validate(said)
    except ValidationError as exc:
        raise _explained(exc.errors(include_url=False)[0], model, where, above, more) from None


def unknown(place: str, key: str, allowed: Collection[str]) -> ConfigurationError:
    """
    Say that there is no such key, and which ones there are.
    """
    near = difflib.get_close_matches(key, allowed, 1)
    hint = f"Did you mean {near[0]!r}?" if near else ""
    return ConfigurationError(f"{place} is not known", "one of " + ", ".join(sorted(allowed)), hint)


def _explained(
    error: ErrorDetails, model: type[BaseModel], where: str, above: str, more: Collection[str]
) -> ConfigurationError:
    path = [str(part) for part in error["loc"] if part != "[key]"]
    if not path:
        return ConfigurationError(f"{where} is {_quoted(error['input'])}", "a table with 'components'")
    holder, expected = _find(model, path)
    # A union tells which of its types it tried, as if that were a key.
    shown = path[:1] if path[0] == "hub" else [above, *path] if above else path
    place = f"{where}: {'.'.join(shown)}"
    if error["type"] == "extra_forbidden":
        return unknown(place, path[-1], {*holder.model_fields, *more} - {"terminal_cmd"})
    return ConfigurationError(f"{place} is {_quoted(error['input'])}", expected or error["msg"])


def _find(model: type[BaseModel], path: list[str]) -> tuple[type[BaseModel], str]:
    """
    Return the model in which a path ends, and what is expected there.
    """
    expected = ""
    parts = iter(path)
    for part in parts:
        field = model.model_fields.get(part)
        if field is None:
            break
        expected = _description(field)
        if part == "components" and next(parts, None) is not None:
            model, expected = Entry, "a script, or a table"
        elif part == "restart":
            model = Restart
    return model, expected


def _description(field: FieldInfo) -> str:
    """
    Return what is expected of a field; that of an optional one stands at the type that it may have.
    """
    said = [field, *(note for kind in get_args(field.annotation) for note in getattr(kind, "__metadata__", ()))]
    return next((note.description for note in said if isinstance(note, FieldInfo) and note.description), "")


def _quoted(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
