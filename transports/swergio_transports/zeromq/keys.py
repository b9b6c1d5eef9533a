"""CURVE keys as files.

The form is that of ZeroMQ certificates (ZPL), so that other programs read them too: ``NAME.key`` has the public key
and may be given to anyone, ``NAME.key_secret`` has both and is readable by its owner alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from swergio.errors import ConfigurationError

PUBLIC: Final = ".key"
PRIVATE: Final = ".key_secret"

_LINE = re.compile(r'^\s*(public|secret)-key\s*=\s*"([^"\n]+)"\s*$', re.MULTILINE)


class Keys(NamedTuple):
    """
    A key pair in Z85, as libzmq takes it.
    """

    public: bytes
    secret: bytes


def make(folder: Path, name: str) -> tuple[Path, Path]:
    """
    Make a key pair; return the files of the public and of the secret key.

    Raises:
        ConfigurationError: There are files of that name already, or they cannot be written.
    """
    public, secret = zmq.curve_keypair()
    shown = f'curve\n    public-key = "{public.decode()}"\n'
    kept = f'{shown}    secret-key = "{secret.decode()}"\n'
    files = folder / f"{name}{PUBLIC}", folder / f"{name}{PRIVATE}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(files[1], f"# The key pair of {name}. Keep it secret.\n{kept}", 0o600)
        _write(files[0], f"# The public key of {name}, for those who talk to it.\n{shown}", 0o644)
    except FileExistsError as exc:
        raise ConfigurationError(
            f"{exc.filename} is there already", remedy="Choose another name, or remove it"
        ) from exc
    except OSError as exc:
        raise ConfigurationError(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    return files


def _write(file: Path, text: str, mode: int) -> None:
    # Exclusively, and with its mode from the first moment.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as opened:
        opened.write(text)


def read_pair(path: str, setting: str) -> Keys:
    """
    Return the key pair in a file.

    Raises:
        ConfigurationError: There is none; ``setting`` is named.
    """
    found = dict(_LINE.findall(_text(path, setting)))
    if not {"public", "secret"} <= found.keys():
        raise ConfigurationError(f"{setting} {path!r} has no CURVE key pair", f"a NAME{PRIVATE} of 'swergio keys'")
    return Keys(_checked(found["public"], path, setting), _checked(found["secret"], path, setting))


def read_public(path: str, setting: str) -> list[bytes]:
    """
    Return the public keys in a file, in Z85.

    Raises:
        ConfigurationError: There is none; ``setting`` is named.
    """
    found = [key for kind, key in _LINE.findall(_text(path, setting)) if kind == "public"]
    if not found:
        raise ConfigurationError(f"{setting} {path!r} has no CURVE public key", f"a NAME{PUBLIC} of 'swergio keys'")
    return [_checked(key, path, setting) for key in found]


def _text(path: str, setting: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigurationError(f"{setting} {path!r} cannot be read: {reason}", "a file of 'swergio keys'") from exc


def _checked(key: str, path: str, setting: str) -> bytes:
    encoded = key.encode("utf-8", "replace")
    try:
        if len(z85.decode(encoded)) == 32:
            return encoded
    except (ValueError, KeyError, ArithmeticError):
        pass
    except Exception as exc:
        raise ConfigurationError(f"{setting} {path!r} has a key that is damaged", "40 characters of Z85") from exc
    raise ConfigurationError(f"{setting} {path!r} has a key that is damaged", "40 characters of Z85")
