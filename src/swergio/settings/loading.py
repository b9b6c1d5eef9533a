"""
Loading: the query of the URL, the file that holds the token, and errors that name the place of a mistake.

Merging is pydantic-settings' work. It does not tell which place a value came from, so where that matters (two tokens,
an error) the key is looked up in one place after another, in the same order.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr, ValidationError

from swergio.errors import ConfigurationError
from swergio.readiness import READY, REPLICA
from swergio.settings.model import PREFIX, HubSettings, Settings, UrlSettings, nearest_file

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    Model = TypeVar("Model", bound=UrlSettings)

KEYS = sorted(Settings.model_fields)
HUB_KEYS = sorted(HubSettings.model_fields)
QUERY_KEYS = [key for key in KEYS if key not in {"hub", "token", "url"}]
VARIABLES = [PREFIX + key.upper() for key in KEYS if key != "hub"] + [f"{PREFIX}HUB_{key.upper()}" for key in HUB_KEYS]
# Read where they are used: by the hub, by what a swarm starts, by fault tests, and by tests that need a Redis.
OTHER_VARIABLES = {PREFIX + "RUNTIME_DIR", READY, REPLICA, PREFIX + "SEED", PREFIX + "REDIS_SERVER"}


def load(url: str | None = None, **overrides: Any) -> Settings:
    """
    Return the settings that hold, each from the first place that says it.

    Args:
        url: The deployment; its query may hold settings, and is not in the ``url`` of the result.
        overrides: Settings by name, ``hub`` as a mapping. None is as if it were not given.

    Raises:
        ConfigurationError: a key or a value is wrong, a secret is in the URL, or a file cannot be read. It says
            where, and what is allowed there.
    """
    places = _Places({key: value for key, value in {"url": url, **overrides}.items() if value is not None})
    _check_variables()
    url = places.merged(UrlSettings).url
    if url is not None:
        url = places.read_query(url)
    settings = places.merged(Settings)
    return settings.model_copy(update={"url": url, "token": places.token(settings)})


def origin(*keys: str, url: str | None = None) -> str:
    """
    Return how an error names the place that says the first of several settings which is said anywhere.

    Args:
        keys: The settings.
        url: As for `load`.
    """
    places = _Places({} if url is None else {"url": url})
    said = url or places.merged(UrlSettings).url
    if said is not None:
        places.read_query(said)
    return min(places.find(key) for key in keys)[1]


class _Places:
    """
    What the code and the query of the URL say; the environment and the file are read when they are asked.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments
        self.query: dict[str, str] = {}
        self.url = ""

    def merged(self, model: type[Model]) -> Model:
        """
        Return the settings of ``model``, checked.
        """
        try:
            return model(**{**self.query, **self.arguments})
        except ValidationError as exc:
            # Not "from exc": it quotes what it was given, and that may be the token.
            raise self.explained(exc.errors(include_url=False)[0]) from None

    def read_query(self, url: str) -> str:
        """
        Take over the query of ``url`` and return the rest.
        """
        self.url, _, query = url.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        _refuse_secrets(self.url, pairs)
        for key, value in pairs:
            where = f"{key!r} in the query of {self.url}"
            if key not in QUERY_KEYS:
                raise _unknown(where, key, QUERY_KEYS)
            if key in self.query:
                raise ConfigurationError(f"{where} is there twice", "one value")
            self.query[key] = value
        return self.url

    def token(self, settings: Settings) -> SecretStr | None:
        """
        Return the token: that of ``token`` or of ``token_file``, whichever is said first.
        """
        if settings.token_file is None:
            return settings.token
        (rank, name), (file_rank, file_name) = self.find("token"), self.find("token_file")
        if rank < file_rank:
            return settings.token
        if rank == file_rank:
            raise ConfigurationError(f"{name} and {file_name} both give a token", "one of them")
        try:
            token = settings.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"{file_name} cannot be read: {exc}") from None
        if not token:
            raise ConfigurationError(f"{file_name} is {str(settings.token_file)!r}, which is empty", "a token")
        return SecretStr(token)

    def find(self, *keys: str) -> tuple[int, str]:
        """
        Return the rank of the first place that says a setting, and how an error names the setting there.
        """
        key = ".".join(keys)
        variable = PREFIX + "_".join(keys).upper()
        file = nearest_file()
        content = tomllib.loads(file.read_text("utf-8")) if file else {}
        places = [
            (f"argument {key!r}", _says(self.arguments, keys)),
            (f"{key!r} in the query of {self.url}", _says(self.query, keys)),
            (variable, bool(os.environ.get(variable))),
            (f"{key!r} in {file}", _says(content, keys)),
            (f"{key!r} by default", True),
        ]
        return next((rank, name) for rank, (name, said) in enumerate(places) if said)

    def explained(self, error: ErrorDetails) -> ConfigurationError:
        """
        Return pydantic's error as one that names the place, the key and what is allowed.
        """
        top, *below = (str(part) for part in error["loc"])
        keys = (top, *below[:1]) if top == "hub" else (top,)
        _, where = self.find(*keys)
        if error["type"] == "extra_forbidden":
            return _unknown(where, keys[-1], HUB_KEYS if below else KEYS)
        fields = HubSettings.model_fields if len(keys) > 1 else Settings.model_fields
        expected = fields[keys[-1]].description or error["msg"]
        if error["type"] == "value_error":  # raised by a validator of ours, which knows better
            expected = str(error["ctx"]["error"])
        value = "wrong" if top == "token" else _quoted(error["input"])
        return ConfigurationError(f"{where} is {value}", expected)


def _check_variables() -> None:
    """
    Refuse variables that look like settings and are none: pydantic-settings passes over them.
    """
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in VARIABLES and name not in OTHER_VARIABLES:
            raise _unknown(name, name, VARIABLES)


def _refuse_secrets(url: str, query: Iterable[tuple[str, str]]) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise ConfigurationError(f"{url!r} is no URL: {exc}") from None
    secret = {key for key, _ in query} & {"token", "password"}
    if secret or "@" in parts.netloc:
        raise ConfigurationError(
            f"the URL {parts.scheme}://{parts.netloc.rpartition('@')[2]} came with a secret in its "
            f"{'query' if secret else 'user part'}, where logs and process lists show it",
            remedy=f"Take it out, and set {PREFIX}TOKEN or name the file that holds it with 'token_file'",
        )


def _says(said: Mapping[str, Any], keys: Collection[str]) -> bool:
    value: Any = said
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _quoted(value: object) -> str:
    text = repr(value if isinstance(value, (bool, int, float, str, list, tuple)) else str(value))
    return text if len(text) <= 80 else text[:80] + "…"


def _unknown(where: str, key: str, allowed: Collection[str]) -> ConfigurationError:
    near = difflib.get_close_matches(key, allowed, 1)
    hint = f"Did you mean {near[0]!r}?" if near else ""
    return ConfigurationError(f"{where} is no setting", "one of " + ", ".join(allowed), hint)
