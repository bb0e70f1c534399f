"""The record of a batch run: append-only JSON Lines in one folder, one writer; knows no model.

`log.jsonl` begins with a manifest, then holds one line an attempt, flushed per row and synced to the disk on a timer.
An error is a row, but not done: a resume asks it again. Every later start leaves a line of its own. Scores stand apart
in `scores.jsonl`, keyed by (key, case, metric, version): scoring again asks nobody.
"""

import fcntl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from adapters.errors import PromptTooLong
from playground.batch.lines import Lines, LogFailed, failed, parsed, read_at, read_lines
from playground.errors import BadInput

__all__ = ["LOCK", "LOG", "SCORES", "Lines", "LogFailed", "RunLog", "read_lines"]
LOG, SCORES, LOCK = "log.jsonl", "scores.jsonl", "lock"
SYNC_EVERY = 0.5  # seconds
SHOWN = 120  # characters of a value in a message
At = tuple[str, str]  # case and key


def manifest_of(directory: Path) -> dict[str, Any]:
    """The first line of a run's log; raises `BadInput` where there is no run."""
    first = next(read_lines(directory / LOG), None)
    if first is None or first.get("type") != "manifest":
        raise BadInput(f"{directory} holds no batch run. Start one with: playground batch run ... --out {directory}")
    return first


def rows_of(directory: Path) -> Iterator[dict[str, Any]]:
    """Every attempt in the order written."""
    return (line for line in read_lines(directory / LOG) if line.get("type") == "row")


def answers(directory: Path) -> Iterator[dict[str, Any]]:
    """Rows that hold an answer, one for each (case, key)."""
    seen: set[At] = set()
    for row in rows_of(directory):
        at = (row["case"], row["key"])
        if row.get("error") is None and at not in seen:
            seen.add(at)
            yield row


def scores_of(directory: Path) -> Iterator[dict[str, Any]]:
    return read_lines(directory / SCORES)


@dataclass
class Past:
    """What a model's rows say, over all starts. `money` None: an answer's cost is unknown."""

    answered: int = 0
    failed: int = 0  # attempts
    reused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float | None = 0.0
    returned: set[str] = field(default_factory=set)
    too_long: set[At] = field(default_factory=set)

    def note(self, row: Mapping[str, Any]) -> None:
        if row.get("error_kind") == PromptTooLong.kind and not row.get("asked", True):
            self.too_long.add((row["case"], row["key"]))
        elif row.get("error") is not None:
            self.failed += 1
        else:
            self.answered += 1
            self.reused += bool(row.get("reused_from"))
            self.returned |= {row["model_returned"]} if row.get("model_returned") else set()
            self._pay(row)

    def _pay(self, row: Mapping[str, Any]) -> None:
        if row.get("reused_from"):
            return
        self.input_tokens += row["usage"]["input_tokens"] or 0
        self.output_tokens += row["usage"]["output_tokens"] or 0
        self.money = None if self.money is None or row.get("cost") is None else self.money + row["cost"]


@dataclass
class History:
    """A log read once: what is done, and each model's past. `torn`: lines that did not parse."""

    done: set[At] = field(default_factory=set)
    models: dict[str, Past] = field(default_factory=dict)
    torn: int = 0
    requests: int = 0  # of the latest start

    def of(self, model: str) -> Past:
        return self.models.setdefault(model, Past())


def history_of(directory: Path) -> History:
    """Read the whole log; raises nothing for torn lines, but counts them."""
    found, torn = History(), list[int]()
    for line in read_lines(directory / LOG, damaged=torn.append):
        if line.get("type") != "row":
            found.requests = line.get("requests", found.requests)
            continue
        at = (line["case"], line["key"])
        if at not in found.done:
            found.of(line["model"]).note(line)
        if line.get("error") is None:
            found.done.add(at)
    found.torn = len(torn)
    return found


class Earlier:
    """The answers of another run, found by case and key; only places in the file are held, not texts."""

    def __init__(self, directory: Path) -> None:
        manifest_of(directory)
        self.directory = directory
        self._places: dict[At, int] = {}
        for start, line in read_at(directory / LOG):
            if line.get("type") == "row" and line.get("error") is None:
                self._places.setdefault((line["case"], line["key"]), start)

    def find(self, case: str, key: str) -> dict[str, Any] | None:
        """The row, marked as reused: it costs nothing and has no latency."""
        if (start := self._places.get((case, key))) is None:
            return None
        with (self.directory / LOG).open("rb") as file:
            file.seek(start)
            row = parsed(file.readline())
        if row is None:  # rewritten by somebody in between
            return None
        told = {"reused_from": str(self.directory), "cost": 0.0, "first_token_s": None, "total_s": None, "retries": 0}
        return {**{k: v for k, v in row.items() if k != "type"}, **told}


class RunLog:
    """The open log of one run. Refuses a folder that another process writes, or that holds another plan."""

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        self.directory = directory
        self._lock = exclusive(directory, make=True)
        try:
            fresh = self._check(manifest)
            past = history_of(directory)
            self.done, self.torn = past.done, past.torn
            self.past = past
            self._rows, self._scores = Lines(directory / LOG), Lines(directory / SCORES)
            started = {k: manifest[k] for k in ("requests", "app_version", "created") if k in manifest}
            self._rows.append({"type": "manifest", **manifest} if fresh else {"type": "resumed", **started})
        except BaseException:
            self._lock.close()
            raise
        self._over = threading.Event()
        self._timer = threading.Thread(target=self._sync_on_a_timer, name="log-sync", daemon=True)
        self._timer.start()

    def _check(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the run begins here; raises `BadInput` for the folder of another plan."""
        first = next(read_lines(self.directory / LOG), None)
        if first is None:  # nothing, or a manifest torn by a kill
            return True
        if first.get("type") != "manifest":
            raise BadInput(f"{self.directory / LOG} is not the log of a batch run. Give another --out.")
        other = []
        for part, new in manifest["identity"].items():
            old = first.get("identity", {}).get(part, {})
            other += [
                _difference(key, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)
            ]
        if other:
            words = "; ".join(other)
            raise BadInput(f"{self.directory} holds another plan: {words}. Give another --out, or the same plan.")
        return False

    def add(self, row: Mapping[str, Any]) -> None:
        """Acknowledge one attempt."""
        self._rows.append({"type": "row", **row})

    def add_scores(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The scores of one answer, all of them or none."""
        if found := list(rows):
            self._scores.append(*found)

    def _sync_on_a_timer(self) -> None:
        while not self._over.wait(SYNC_EVERY):
            self._rows.sync()

    def close(self) -> None:
        self._over.set()
        self._timer.join()
        try:
            self._rows.close()
            self._scores.close()
        finally:
            self._lock.close()


def _difference(key: str, old: object, new: object) -> str:
    texts = [text if len(text) <= SHOWN else text[:SHOWN] + "..." for text in (str(old), str(new))]
    return f"{key} was {texts[0]}, now {texts[1]}"


def exclusive(directory: Path, *, make: bool = False) -> BinaryIO:
    """The folder's lock, held until the file is closed; raises `BadInput` where another process has it."""
    try:
        if make:
            directory.mkdir(parents=True, exist_ok=True)
        file = (directory / LOCK).open("ab")
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{directory} is a file, not a folder. Give another --out.") from error
    except PermissionError as error:
        raise BadInput(f"{directory} may not be written. Give another --out.") from error
    except OSError as error:
        raise failed(directory, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise BadInput(f"Another run writes into {directory}. Wait for it, or give another --out.") from error
    except OSError as error:
        file.close()
        raise LogFailed(f"{directory} cannot be locked: {error.strerror}. Give an --out on a local disk.") from error
    return file
