"""One JSON Lines file that is only appended to, and its reading; knows no run.

A row has left the process when `append` returns, so that a killed process loses nothing it acknowledged.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from playground.errors import BadFile, PlaygroundError


class LogFailed(PlaygroundError):
    """The disk did not take a row; every row acknowledged before stays."""


def read_lines(path: Path, *, damaged: Callable[[int], object] = lambda line: None) -> Iterator[dict[str, Any]]:
    """Every line that parses, in order. A torn one (a kill, a full disk) is passed over; `damaged` gets its number."""
    return (line for _, line in read_at(path, damaged=damaged))


def read_at(
    path: Path, *, damaged: Callable[[int], object] = lambda line: None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `read_lines`, each line with the byte it begins at. Raises `BadFile` for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            start = 0
            for number, line in enumerate(file, 1):
                value = parsed(line)
                if value is not None:
                    yield start, value
                elif line.strip():
                    damaged(number)
                start += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadFile(path, f"{error.strerror or error}.") from error


def parsed(line: bytes) -> dict[str, Any] | None:
    """One line as a mapping; None where it is torn."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class Lines:
    """One open file. Thread-safe; raises `LogFailed` when it cannot be opened or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._unsynced = False
        self._broken: OSError | None = None
        try:
            torn = _ends_torn(path)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise failed(path, error) from error
        if torn:
            self._write(b"\n")  # else the next good row would be glued to the torn one

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Write rows together or not at all; raises `LogFailed` when the disk is full, and leaves no half row."""
        data = b"".join(_line(row) for row in rows)
        with self._lock:
            if self._broken:
                raise failed(self.path, self._broken)
            self._write(data)
            self._unsynced = True

    def _write(self, data: bytes) -> None:
        start = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(data) or 0
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file.fileno(), start)
            raise failed(self.path, error) from error

    def sync(self) -> None:
        """Bring what was written to the disk. A failure is told at the next `append`, and at the end."""
        with self._lock:
            if not self._unsynced:
                return
            self._unsynced = False
        try:
            os.fsync(self._file.fileno())  # without the lock: a slow disk holds no row up, and so no request
        except OSError as error:
            self._broken = error

    def close(self) -> None:
        """Raises `LogFailed` when the disk did not confirm the last rows."""
        self.sync()
        self._file.close()
        if self._broken:
            raise failed(self.path, self._broken)


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a whole number of more than 64 bits
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def failed(path: Path, error: OSError) -> LogFailed:
    return LogFailed(f"{path}: {error.strerror or error}. Free some space, then give the same command again.")


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
