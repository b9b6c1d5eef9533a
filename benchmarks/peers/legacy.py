"""swergio 0.0.2, in a virtual environment of its own: the package that this one replaces."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import venv
from pathlib import Path
from typing import Any

VERSION = "0.0.2"

# The parts of swergio.bench that need nothing but the standard library are put into that package's place.
BEGIN = (
    "import sys, swergio; sys.path.insert(0, {root!r}); swergio.__path__.append({source!r}); "
    "from swergio.bench.role import main; import json; main(json.loads(sys.argv[1]))"
)


def interpreter() -> tuple[str, ...]:
    """
    Return what starts Python beside the old package; makes its environment if there is none.

    Raises:
        OSError: it cannot be installed.
    """
    root = Path(__file__).resolve().parent.parent.parent
    name = f"swergio-bench-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(tempfile.gettempdir()) / name
    program = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=True)
        install = [
            str(program),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            f"swergio=={VERSION}",
        ]
        try:
            done = subprocess.run(install, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired as exc:
            raise OSError(f"swergio {VERSION} cannot be installed: {exc}") from exc
        if done.returncode:
            raise OSError(f"swergio {VERSION} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        (folder / "complete").touch()
    return (str(program), "-c", BEGIN.format(root=str(root), source=str(root / "src" / "swergio")))


def serve(**_: str) -> None:
    """
    Serve until told to end.
    """
    import swergio
    from swergio.bench.role import Orders, say

    Orders()
    server: Any = swergio.Server("127.0.0.1", 0, "utf-8", 10)  # type: ignore[attr-defined]
    url = f"127.0.0.1:{server.server.getsockname()[1]}"
    say(ready=True, url=url)
    with contextlib.redirect_stdout(None):  # it prints a line for each message
        server.start()


def __getattr__(name: str) -> Any:
    if name == "Client":
        return _client()
    raise AttributeError(name)


def _client() -> type:
    """
    Return the client; the package has clients only where the old version is installed.
    """
    from swergio.messageType import MESSAGE_TYPE  # type: ignore[import-not-found]

    import swergio
    from swergio.bench.clients import Blocking, Place

    class Client(Blocking):
        """
        A client; it has no requests, so that a reply is a message in another room.
        """

        def __init__(self, place: Place) -> None:
            host, _, port = place.url.partition(":")
            self._client = swergio.Client("bench", host, int(port))  # type: ignore[attr-defined]
            self._place = place
            self._lock = threading.Lock()
            for room in {place.sends, place.listens} - {None}:
                self._client.join_room(room)

        def send(self, body: Any) -> None:
            message = {"ID": "0" * 32, "TYPE": MESSAGE_TYPE.DATA.CUSTOM.id, "TO_ROOM": self._place.sends, "DATA": body}
            self._client.send(message)

        def receive(self) -> Any:
            while True:
                message = self._client.receive()
                if message is False:
                    raise ConnectionError("the connection has broken")
                if message.get("TO_ROOM") == self._place.listens:
                    return message["DATA"]

    return Client
