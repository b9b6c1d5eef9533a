"""Large replies, each read from the socket into a buffer of its own: the parser would copy it twice."""

from __future__ import annotations

from typing import Final

LARGE: Final = 64 * 1024
"""Bytes of a reply from which on that is worth it."""

HEAD: Final = 4096
"""Bytes to read where the head of another large reply may come."""

DOLLAR: Final = ord("$")
_LONGEST: Final = 16  # a length in decimal, with what ends it


class Body:
    """
    A reply of which a part is here.

    Args:
        size: How long it is, without the two bytes that end it.
        part: Its beginning.

    Attributes:
        rest: Where the next bytes belong.
    """

    __slots__ = ("_buffer", "_size", "rest")

    def __init__(self, size: int, part: memoryview) -> None:
        self._size = size
        self._buffer = bytearray(size + 2)
        view = memoryview(self._buffer)
        view[: len(part)] = part
        self.rest = view[len(part) :]

    @classmethod
    def begun_in(cls, data: memoryview) -> Body | None:
        """
        Return the reply that ``data`` is the beginning of; None if it is no large string, or all of it is here.
        """
        line, end, _ = bytes(data[1:_LONGEST]).partition(b"\r\n")
        if not end or not line.isdigit() or int(line) < LARGE:
            return None
        begins = 1 + len(line) + len(end)
        size = int(line)
        return cls(size, data[begins:]) if len(data) < begins + size + 2 else None

    def came(self, count: int) -> bool:
        """
        So many bytes were put into ``rest``. Return whether the reply is whole.
        """
        self.rest = self.rest[count:]
        return not self.rest

    @property
    def reply(self) -> memoryview:
        """
        The whole reply, which cannot be written to, as it could not be if the parser had made it.
        """
        return memoryview(self._buffer).toreadonly()[: self._size]
