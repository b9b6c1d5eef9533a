"""The file by which components find the user's own hub: its URL and token, readable by this user alone.

Theory of operation. A hub locks the file (``flock``) before it moves it into place and holds the lock until it ends,
however it ends. So a file is in force exactly while somebody holds its lock, which the kernel answers in microseconds:
a hub that was killed leaves a file that nobody holds, whoever may have its port or its process id by now. That
matters beyond speed: the data of a component must not go to a stranger who took the port of a dead hub.

A file is replaced as a whole, never written to. Starting is serialised elsewhere; should two hubs come to be
nevertheless, the later file wins, and the other hub notices that its own is gone, and ends; its components move. So
does a hub whose file somebody deleted.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swergio.errors import ConfigurationError

VARIABLE = "SWERGIO_RUNTIME_DIR"
NAME = "hub.json"
MAX_SIZE = 64 * 1024

START = "Run a hub with 'swergio hub'"
ELSEWHERE = f"Name another one with {VARIABLE}"


@dataclass(frozen=True, slots=True)
class Address:
    """
    What the file says.

    Attributes:
        url: What to dial.
        token: What to show there.
        pid: The process of the hub.
        version: The version of swergio that it runs; for people, as the protocol has its own.
    """

    url: str
    token: str = field(repr=False)
    pid: int
    version: str


def runtime_folder() -> Path:
    """
    Return the folder of the file, made if need be: ``$SWERGIO_RUNTIME_DIR/swergio``, or the user's runtime folder.

    Raises:
        ConfigurationError: it cannot be made, or others could read or change what is in it.
    """
    if sys.platform == "win32":
        raise ConfigurationError("no URL is set, and there is no hub on demand on Windows", "the URL of a hub", START)
    named = os.environ.get(VARIABLE)
    folder = Path(named).absolute() / "swergio" if named else _usual_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as exc:
        raise ConfigurationError(f"the folder {folder} cannot be used: {exc.strerror}", remedy=ELSEWHERE) from exc
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigurationError(f"{folder} is not a folder of this user", remedy=ELSEWHERE)
    if status.st_mode & 0o077:
        raise ConfigurationError(f"the folder {folder} is open to others", "mode 0700", f"Run: chmod 700 {folder}")
    return folder


def _usual_folder() -> Path:
    if sys.platform == "darwin":
        import platformdirs

        return platformdirs.user_runtime_path("swergio")
    # The rule of platformdirs, which is not asked since it warns wherever XDG_RUNTIME_DIR is not set: in containers,
    # under cron. A folder of somebody else is what the variable names after "su".
    uid = os.geteuid()
    for place in (Path(os.environ.get("XDG_RUNTIME_DIR", "")), Path(f"/run/user/{uid}")):
        if place.is_absolute() and place.is_dir() and place.stat().st_uid == uid:
            return place / "swergio"
    return Path(tempfile.gettempdir(), f"swergio-{uid}")


def read(folder: Path) -> Address | None:
    """
    Return where the hub is; None if there is no file, it is not in force, or it makes no sense.
    """
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid != os.geteuid() or not _is_locked(descriptor):
            return None
        return _parse(os.read(descriptor, MAX_SIZE))
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    import fcntl

    try:
        # Shared, so that those who look at a file at the same time do not take each other for its hub.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parse(content: bytes) -> Address | None:
    try:
        told = json.loads(content)
        return Address(str(told["url"]), str(told["token"]), int(told["pid"]), str(told["version"]))
    except (ValueError, TypeError, KeyError):
        return None


class ConnectionFile:
    """
    The file of the hub that runs in this process, in force from now until `withdraw`, or the end of the process.

    Raises:
        OSError: the folder cannot be written to, or its file system knows no ``flock``.
    """

    def __init__(self, folder: Path, address: Address) -> None:
        import fcntl

        self._path = folder / NAME
        self._descriptor, temporary = tempfile.mkstemp(dir=folder, prefix="hub.", suffix=".new")  # mode 0600
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._descriptor, json.dumps(asdict(address)).encode())
            Path(temporary).replace(self._path)
        except BaseException:
            os.close(self._descriptor)
            Path(temporary).unlink()
            raise

    def is_in_force(self) -> bool:
        """
        Whether components that look for a hub find this one.
        """
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def withdraw(self) -> None:
        """
        Let components look for another hub. A file that is another hub's stays.
        """
        # No other hub can come in between: as long as the lock is held, nobody starts one.
        if self.is_in_force():
            self._path.unlink()
        os.close(self._descriptor)
