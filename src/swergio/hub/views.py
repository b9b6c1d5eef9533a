"""Views of memory that tell when nobody looks at it any more.

A ctypes array in the middle makes this possible: it exports its buffer, as bytes do, and can be referred to weakly, as
bytes cannot. All views of it, and views and NumPy arrays made of these, keep it alive; when the last one goes, its weak
reference is called, on whichever thread that happens. So the memory can be used again, without anybody counting.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

GRAIN = 64 * 1024  # sizes are rounded up to multiples, since ctypes makes a type for each and keeps it


class Watch(weakref.ref[Any]):
    """
    Put into a queue when the view that it was made with, and all made of it, are gone. Must be kept until then.
    """

    __slots__ = ("owner", "place")

    owner: Any
    place: int


def view(memory: Any, at: int, size: int, ended: deque[Watch], owner: Any) -> tuple[Watch, memoryview]:
    """
    Return a view of ``size`` bytes of writable ``memory``, and what goes into ``ended`` behind it.

    There must be as many bytes as `rounded` says.
    """
    from ctypes import c_char  # 10 ms, which only those pay who share memory

    held = (c_char * rounded(size)).from_buffer(memory, at)
    watch = Watch(held, ended.append)
    watch.owner, watch.place = owner, at
    return watch, memoryview(held).cast("B")[:size]


def rounded(size: int) -> int:
    """
    Return the smallest multiple of `GRAIN` that is not below ``size``.
    """
    return -(-size // GRAIN) * GRAIN


class Buffers:
    """
    Memory to copy batches into. What is used again is not touched for the first time, which costs more than the copy.

    Args:
        limit: Bytes that are kept for the next batch.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = 0
        self._idle: dict[int, list[bytearray]] = {}
        self._watches: dict[int, Watch] = {}
        self._ended: deque[Watch] = deque()

    def take(self, size: int) -> memoryview:
        """
        Return memory of ``size`` bytes; what it holds is not defined.
        """
        while self._ended:
            self._put_back(self._ended.popleft())
        same = self._idle.get(rounded(size))
        if same:
            memory = same.pop()
            self._kept -= len(memory)
        else:
            memory = bytearray(rounded(size))
        watch, view_ = view(memory, 0, size, self._ended, memory)
        self._watches[id(memory)] = watch
        return view_

    def _put_back(self, watch: Watch) -> None:
        del self._watches[id(watch.owner)]
        size = len(watch.owner)
        if self._kept + size > self._limit:
            self._idle.clear()  # of sizes that nobody sends any more, perhaps
            self._kept = 0
        if size <= self._limit:
            self._idle.setdefault(size, []).append(watch.owner)
            self._kept += size
