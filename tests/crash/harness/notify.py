"""Wakes as soon as a file of a folder is written or appears: inotify, by ctypes, so that a kill comes before the next step."""

import ctypes
import os
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """`names()` blocks until something happens in the folders, and says to which files."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def add(self, folder: Path) -> None:
        if _libc.inotify_add_watch(self._handle, os.fsencode(folder), _MODIFY | _MOVED_TO | _CREATE) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {folder}")

    def names(self, within: float) -> list[str]:
        if not select.select([self._handle], [], [], within)[0]:
            return []
        data, found = os.read(self._handle, 65536), []
        while data:
            _, _, _, length = _EVENT.unpack_from(data)
            found.append(data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode())
            data = data[_EVENT.size + length :]
        return found


@contextmanager
def watching(*folders: Path) -> Iterator[Watch]:
    handle = _libc.inotify_init1(os.O_CLOEXEC)
    try:
        watch = Watch(handle)
        for folder in folders:
            watch.add(folder)
        yield watch
    finally:
        os.close(handle)
