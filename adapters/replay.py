"""Answers recorded earlier, `replay/FILE`: a MedS-Bench results CSV, or a run file of our own. Nothing is asked.

A run's answer is looked up by the hash of the exact messages, then by the case's own text; a CSV's by the text. One
text may be asked in several tasks (the three PICO extractions share their sentences): of the rows with that text those
count whose GT is the case's reference, and of these the rows of the task whose rows are cases here. Of several answers
that are left the first counts. Options: path (in place of FILE), recorded_model (one of several in a
run file; also `replay/FILE#MODEL`), tokens_per_second (default: no delay).
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import adapters
from adapters._pace import spoken
from adapters.base import (
    Adapter,
    Chunk,
    Example,
    GenerateConfig,
    Message,
    StopReason,
    Usage,
    messages_sha256,
    user_text,
)
from adapters.errors import AdapterError, BadRequest, Unavailable
from adapters.recordings import Unreadable, model_name, read_results_csv, read_run_file

PROVIDER = "replay"
NEEDS_EXAMPLES = True  # only to tell apart rows of several tasks with one text
ROOT = Path(adapters.__file__).parent.parent


@dataclass(frozen=True)
class Answer:
    """One recorded answer. `error`: what went wrong when it was recorded."""

    text: str
    model: str
    stop_reason: StopReason = "stop"
    usage: Usage = field(default_factory=Usage)
    error: str | None = None


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    path, _ = located(name, options)
    return None if path.is_file() else str(_absent(path))


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    path, recorded = located(name, options)
    if not path.is_file():
        raise _absent(path)
    pace = float(options.get("tokens_per_second") or 0)
    return Replay(f"{PROVIDER}/{name}", path, recorded, examples=examples, per_second=pace)


def located(name: str, options: Mapping[str, Any]) -> tuple[Path, str | None]:
    """The file, looked for here and then in the project's folder, and which of its models is meant."""
    text, model = str(options.get("path") or name), options.get("recorded_model")
    for candidate in (Path(text).expanduser(), ROOT / text):
        if candidate.is_file():
            return candidate, model
    front, mark, back = text.rpartition("#")
    if mark and front and back:
        return located(front, {"recorded_model": back})
    return Path(text).expanduser(), model


def _absent(path: Path) -> Unavailable:
    return Unavailable(f"There is no file {path}.", fix="Check the path, or set `path` among its options.")


class Replay:
    def __init__(
        self, model: str, path: Path, recorded: str | None, *, examples: Sequence[Example], per_second: float
    ) -> None:
        self.model, self._path, self._recorded, self._per_second = model, path, recorded, per_second
        self._examples = examples
        self._answers: dict[str, Answer] | None = None

    @cached_property
    def identity(self) -> str:
        """Changes with the file's content; a batch run takes it into its keys."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        yield Chunk(parameters={"recorded_in": self._path.name})
        if self._answers is None:
            self._answers = await asyncio.to_thread(read_answers, self._path, self._recorded, self._examples)
        answer = self._answers.get(messages_sha256(messages)) or self._answers.get(_key(user_text(messages)))
        if answer is None:
            fix = "Choose a case of that file, or add its cases with --cases."
            raise BadRequest(f"{self._path.name} holds no answer to this case.", fix=fix)
        if answer.error is not None:
            raise AdapterError(f"This was recorded as failed: {answer.error}", fix="Ask the model itself.")
        async with aclosing(spoken(answer.text, per_second=self._per_second)) as chunks:
            async for chunk in chunks:
                yield chunk
        yield Chunk(stop_reason=answer.stop_reason, usage=answer.usage, model=answer.model)


def _key(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def read_answers(path: Path, recorded: str | None, examples: Sequence[Example] = ()) -> dict[str, Answer]:
    """Hash of the messages, and of the case's text -> answer. Raises `BadRequest` with file, line and reason."""
    try:
        if path.suffix.lower() == ".csv":
            return _from_csv(path, examples)
        return _from_run(path, recorded)
    except Unreadable as error:
        raise BadRequest(f"Not readable: {error}", fix="Correct the file.") from error


def _from_csv(path: Path, examples: Sequence[Example]) -> dict[str, Answer]:
    references: dict[str, set[str]] = {}
    for example in examples:
        references.setdefault(_key(example.input), set()).add(_key(example.answer))
    rows = [(row, _key(row.input)) for row in read_results_csv(path)]
    ours, all_rows = Counter[str](), Counter(row.task_id for row, _ in rows)
    for row, key in rows:
        ours[row.task_id] += _key(row.target) in references.get(key, ())
    name, found, best = model_name(path), dict[str, Answer](), dict[str, float]()
    for row, key in rows:
        known, blank = references.get(key), not row.target.strip()
        if known and not blank and _key(row.target) not in known:
            continue  # another task's row with the same text
        share = ours[row.task_id] / all_rows[row.task_id] if known else float(blank)  # a case without reference
        if share > best.get(key, -1.0):
            found[key], best[key] = Answer(row.output, name), share
    return found


def _from_run(path: Path, recorded: str | None) -> dict[str, Answer]:
    lines = read_run_file(path)
    models = sorted({line.model for line in lines})
    if recorded is None and len(models) > 1:
        fix = f"Say which one: replay/{path.name}#{models[0]}"
        raise BadRequest(f"{path.name} holds answers of {', '.join(models)}.", fix=fix)
    if recorded is not None and recorded not in models:
        raise BadRequest(f"{path.name} holds no answers of '{recorded}'.", fix=f"It has {', '.join(models) or 'none'}.")
    found: dict[str, Answer] = {}
    for line in lines:
        if recorded is not None and line.model != recorded:
            continue
        answer = Answer(line.text, line.model_returned or line.model, line.stop_reason or "stop", line.usage)
        answer = replace(answer, error=line.error)
        for key in (line.prompt_sha256, _key(line.input) if line.input else ""):
            if key and (key not in found or found[key].error is not None):  # a later answer replaces an error
                found[key] = answer
    return found
