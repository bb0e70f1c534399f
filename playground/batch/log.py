"""The record of a batch run: append-only JSON Lines in one folder, one writer; knows no model.

`log.jsonl` begins with a manifest, then holds one line an attempt: flushed per row, so that a killed process loses
nothing it acknowledged, and synced to the disk on a timer. An error is a row, but not done: a resume asks it again.
Scores stand apart in `scores.jsonl`, keyed by (key, case, metric, version): scoring again asks nobody.
"""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from playground.errors import BadInput, PlaygroundError

LOG, SCORES, LOCK = "log.jsonl", "scores.jsonl", "lock"
SYNC_EVERY = 0.5  # seconds


class LogFailed(PlaygroundError):
    """The disk did not take a row; every row acknowledged before stays."""


def read_lines(path: Path, *, damaged: Callable[[int], object] = lambda line: None) -> Iterator[dict[str, Any]]:
    """Every line that parses, in order. A torn one (a kill, a full disk) is passed over; `damaged` gets its number."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                damaged(number)
                continue
            if isinstance(value, dict):
                yield value


class Lines:
    """One file that is only appended to. Thread-safe; `append` returns after the row left the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        torn = _ends_torn(path)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._unsynced = False
        if torn:
            self._write(b"\n")  # else the next good row would be glued to the torn one

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row; raises `LogFailed` when the disk is full, and leaves no half row that a reader would trust."""
        data = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._write(data)
            self._unsynced = True

    def _write(self, data: bytes) -> None:
        start = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(data) or 0
            if written < len(data):
                raise OSError(28, "the disk took only part of a row")
        except OSError as error:
            os.ftruncate(self._file.fileno(), start)
            text = f"{self.path}: {error.strerror or error}. Free some space, then give the same command again."
            raise LogFailed(text) from error

    def sync(self) -> None:
        """Bring what was written to the disk."""
        with self._lock:
            if self._unsynced:
                os.fsync(self._file.fileno())
                self._unsynced = False

    def close(self) -> None:
        self.sync()
        self._file.close()


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def manifest_of(directory: Path) -> dict[str, Any]:
    """The first line of a run's log; raises `BadInput` where there is no run."""
    first = next(read_lines(directory / LOG), None)
    if first is None or first.get("type") != "manifest":
        raise BadInput(f"{directory} holds no batch run. Start one with: playground batch run ... --out {directory}")
    return first


def rows_of(directory: Path) -> Iterator[dict[str, Any]]:
    """Every attempt in the order written."""
    return (line for line in read_lines(directory / LOG) if line.get("type") == "row")


def scores_of(directory: Path) -> Iterator[dict[str, Any]]:
    return read_lines(directory / SCORES)


class RunLog:
    """The open log of one run. Refuses a folder that another process writes, or that holds another plan."""

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._lock = _exclusive(directory)
        try:
            self._check(manifest)
            self.done = self._done()
            self._rows, self._scores = Lines(directory / LOG), Lines(directory / SCORES)
            if not (directory / LOG).stat().st_size:
                self._rows.append({"type": "manifest", **manifest})
        except BaseException:
            self._lock.close()
            raise
        self._over = threading.Event()
        self._timer = threading.Thread(target=self._sync_on_a_timer, name="log-sync", daemon=True)
        self._timer.start()

    def _check(self, manifest: Mapping[str, Any]) -> None:
        if not (self.directory / LOG).exists() or not (self.directory / LOG).stat().st_size:
            return
        old, new = manifest_of(self.directory).get("plan", {}), manifest["plan"]
        other = [key for key in new if old.get(key) != new[key]]
        if other:
            words = "; ".join(f"{key} was {old.get(key)}, now {new[key]}" for key in other)
            raise BadInput(f"{self.directory} holds another plan ({words}). Give another --out, or the same plan.")

    def _done(self) -> set[tuple[str, str]]:
        return {(row["case"], row["key"]) for row in rows_of(self.directory) if row.get("error") is None}

    def add(self, row: Mapping[str, Any]) -> None:
        """Acknowledge one attempt."""
        self._rows.append({"type": "row", **row})
        if row.get("error") is None:
            self.done.add((row["case"], row["key"]))

    def add_score(self, row: Mapping[str, Any]) -> None:
        self._scores.append(row)

    def _sync_on_a_timer(self) -> None:
        while not self._over.wait(SYNC_EVERY):
            self._rows.sync()

    def close(self) -> None:
        self._over.set()
        self._timer.join()
        self._rows.close()
        self._scores.close()
        self._lock.close()


def _exclusive(directory: Path) -> BinaryIO:
    file = (directory / LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise BadInput(f"Another run writes into {directory}. Wait for it, or give another --out.") from error
    return file
