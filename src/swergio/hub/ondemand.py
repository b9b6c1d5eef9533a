"""The hub on demand, from the component's side: find the user's own hub, and start it if it is not there.

The hub runs in a session of its own, so that Ctrl-C in the terminal of the component that happened to start it does
not end it, and is nobody's child: it would outlive its parent anyway, and nobody has to wait for its end. It inherits
no descriptors but the log, and the pipe through which it says that it is ready.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from swergio.errors import ConfigurationError, ConnectFailed
from swergio.hub.connection_file import START, Address, read, runtime_folder

if TYPE_CHECKING:
    from swergio.settings import Settings

START_TIMEOUT = 20.0  # far above what it takes: a hub that is not there by then is killed
READY = b"ready\n"
LOG_NAME = "hub.log"
LOG_LIMIT = 1024 * 1024
OWN_HUB = "the hub of this user"

# The hub on demand has a token of its own, and a port of its own on loopback, without TLS.
NOT_HANDED_ON = dict.fromkeys(("url", "token", "token_file", "tls_ca", "tls_cert", "tls_key"), True)


def locate(settings: Settings) -> tuple[str, str]:
    """
    Return the URL and the token of the user's own hub; start it if it is not running. Blocks.

    Takes some 50 µs while the hub runs, and half a second if it has to be started. However many components want
    that at the same time, one of them does it. What the starting component was told about the hub counts for all.

    Raises:
        ConfigurationError: the folder of its connection file cannot be used, or no hub can be started from here.
        ConnectFailed: it did not start; says why, and where its log is.
        OSError: the system could not start it.
    """
    folder = runtime_folder()
    address = read(folder) or _start(folder, settings)
    return address.url, address.token


def _start(folder: Path, settings: Settings) -> Address:
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / "start.lock", timeout=START_TIMEOUT, mode=0o600):
            return read(folder) or _launch(folder, settings)  # another may have started it meanwhile
    except Timeout:
        reason = f"another process has been starting it for {START_TIMEOUT:g} s"
        raise ConnectFailed(OWN_HUB, reason) from None


def _launch(folder: Path, settings: Settings) -> Address:
    if not sys.executable:
        raise ConfigurationError("no URL is set, and this program cannot start a hub", "the URL of a hub", START)
    told = settings.model_dump_json(exclude={**NOT_HANDED_ON, "hub": {"listen", "insecure"}})
    # -P: the working folder may hold anything, also a random.py.
    command = [sys.executable, "-P", "-m", "swergio.hub", "--on-demand", str(folder)]
    with _open_log(folder / LOG_NAME) as log:
        began = log.tell()
        ready = _become_ready(command, told.encode(), log)
        log.seek(began)
        *_, problem = log.read().decode(errors="replace").strip().split("\n")
    address = read(folder) if ready else None
    if address is None:
        reason = f"it did not start: {problem or 'it ended without a word'} (its log is {folder / LOG_NAME})"
        raise ConnectFailed(OWN_HUB, reason)
    return address


def _become_ready(command: list[str], told: bytes, log: IO[bytes]) -> bool:
    with subprocess.Popen(  # noqa: S603  nothing in it comes from others
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    ) as process:
        try:
            # This process goes away at once. It leaves the pipe to the hub, which closes it.
            said, _ = process.communicate(told, START_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise ConnectFailed(OWN_HUB, f"it did not start within {START_TIMEOUT:g} s") from None
        return said == READY


def _open_log(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    # The hub rotates it. This is for a hub that fails before it comes to that, again and again.
    if os.fstat(descriptor).st_size > LOG_LIMIT:
        os.ftruncate(descriptor, 0)
    return os.fdopen(descriptor, "a+b")
