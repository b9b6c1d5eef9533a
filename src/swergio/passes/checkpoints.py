"""
What a node keeps on disk of what it has learned, so that a killed component goes on from there.

A checkpoint is a file: what ``save`` wrote, and behind it 56 bytes that tell whether it is whole (magic, version of the
weights, size, SHA-256). They come last, so that formats which are read from their beginning or by a directory at their
end (.npy, zip and so .npz and .pt, pickle) can be read by whatever reads them elsewhere.

A new one is written beside the last one, forced to the disk, and renamed; the last one is kept under another name. So
whenever the process or the machine dies, a whole one is there under one of two names.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias

from swergio.errors import CheckpointFailed, ConfigurationError

log = logging.getLogger("swergio.passes")

Save: TypeAlias = Callable[[BinaryIO], object]
Load: TypeAlias = Callable[[BinaryIO], object]

MAGIC = b"swergio1"
LOCKED_FOR = 10.0  # seconds that the component before may take to end
_FOOTER = struct.Struct("<8sQQ32s")


class Checkpoint:
    """
    The checkpoint of one node. Its methods are called one at a time.

    Args:
        path: Its file; the one before is ``path`` with ``.previous`` behind it.
        save: Writes what is to be kept into a file that is open for writing.
        load: Reads it from such a file.
        every: How many updates of the weights lie between two.

    Raises:
        ConfigurationError: another component has a checkpoint of that name, or ``every`` is no number above 0.
    """

    def __init__(self, path: Path, save: Save, load: Load, every: int) -> None:
        if type(every) is not int or every < 1:
            raise ConfigurationError(f"every={every!r}", "a number of updates above 0")
        self.path = path
        self._previous = path.with_name(path.name + ".previous")
        self._save = save
        self._load = load
        self._every = every
        self._saved = 0
        self._whole = False  # what ``path`` names now is worth to be kept
        from filelock import FileLock  # not needed to import swergio

        self._lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
        self._claim()

    def _claim(self) -> None:
        from filelock import Timeout

        if self._lock.is_locked:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=LOCKED_FOR)
        except Timeout:
            problem = f"the checkpoint {str(self.path)!r} is that of another component that is running"
            raise ConfigurationError(problem, remedy="Say path= to give each its own, also to replicas") from None
        except OSError as exc:
            raise CheckpointFailed(str(self.path), "saved", str(exc)) from exc

    def resume(self) -> int | None:
        """
        Load what was saved last; return the version of the weights that it holds. None if nothing was ever saved.

        Raises:
            CheckpointFailed: what is there is broken, and so is the one before; or ``load`` raised.
        """
        broken: list[str] = []
        for path in (self.path, self._previous):
            if not path.exists():
                continue
            try:
                payload, version = read(path)
            except (OSError, ValueError) as exc:
                broken.append(f"{path.name} is broken: {exc}")
                continue
            if broken:
                log.warning("%s; going on from %s", broken[0], path.name)
            self._whole = path is self.path
            self._saved = version
            self._load_from(path, payload)
            return version
        if broken:
            raise CheckpointFailed(str(self.path), "loaded", "; ".join(broken))
        return None

    def _load_from(self, path: Path, payload: bytes) -> None:
        try:
            self._load(io.BytesIO(payload))
        except Exception as exc:
            reason = f"the function that loads it raised {type(exc).__name__}: {exc}"
            raise CheckpointFailed(str(path), "loaded", reason) from exc

    def updated(self, version: int) -> None:
        """
        The weights are another version now: save them if it is time for that.

        Raises:
            CheckpointFailed: they could not be saved. It is tried again with the next update.
        """
        if version >= self._saved + self._every:
            self._write(version)

    def finish(self, version: int) -> None:
        """
        Save what has changed since, and let others have the name.

        Raises:
            CheckpointFailed: it could not be saved.
        """
        try:
            if version != self._saved:
                self._write(version)
        finally:
            self.release()

    def release(self) -> None:
        """
        Let others have the name.
        """
        self._lock.release()

    def _write(self, version: int) -> None:
        self._claim()  # after the component was closed and started again
        writing = self.path.with_name(self.path.name + ".writing")
        try:
            with writing.open("w+b") as file:
                self._save(file)
                _seal(file, version)
            if self._whole:
                self.path.replace(self._previous)
            writing.replace(self.path)
            _sync_folder(self.path.parent)
        except Exception as exc:
            with contextlib.suppress(OSError):
                writing.unlink(missing_ok=True)
            raise CheckpointFailed(str(self.path), "saved", f"{type(exc).__name__}: {exc}") from exc
        self._whole = True
        self._saved = version


def read(path: Path) -> tuple[bytes, int]:
    """
    Return what a checkpoint holds, and the version of the weights.

    Raises:
        ValueError: it is not whole.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    payload, footer = content[: -_FOOTER.size], content[-_FOOTER.size :]
    if len(footer) < _FOOTER.size or not footer.startswith(MAGIC):
        raise ValueError(f"its {len(content):,} bytes do not end as a checkpoint does")
    _, version, size, digest = _FOOTER.unpack(footer)
    if size != len(payload):
        raise ValueError(f"it holds {len(payload):,} bytes of {size:,}")
    if _digest(io.BytesIO(payload), version) != digest:
        raise ValueError("its content is not what was written")
    return payload, version


def _seal(file: IO[bytes], version: int) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    digest = _digest(file, version)
    file.seek(0, os.SEEK_END)
    file.write(_FOOTER.pack(MAGIC, version, size, digest))
    file.flush()
    os.fsync(file.fileno())


def _digest(file: IO[bytes], version: int) -> bytes:
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # IO[bytes] does not tell of readinto
    digest.update(version.to_bytes(8, "little"))
    return digest.digest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # a rename is on the disk when it returns
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
