"""Reads the released task files of MedS-Bench and MedS-Ins as a stream; knows no database.

A file is one JSON document (also those named `.jsonl`): `Definition`, `Categories`, `Source`, ..., and `Instances`,
a list of {input, output}, where output is a string or a list whose first item counts.
"""

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import ijson

from playground.errors import BadFile
from playground.task import RAW, Case

FILE_NAME = re.compile(r"^(task\d+)(?:_(.*))?$")
LETTER = re.compile(r"(?:^|(?<=[\s：:]))[A-H]\s*[:：]")  # `The right answer is B: ...`, `正しい答えは A: ...`
BEGINS = 80  # characters of an output in which its letter stands
MOST = 0.9  # share of the outputs that makes a form the file's
MOST_LABELS = 60
EXACT_UP_TO = 500_000_000  # bytes; larger broken files are reported by instance instead of by line


@dataclass(frozen=True, kw_only=True)
class Released:
    """A whole, checked file: what it says of itself, and where its instances are."""

    path: Path
    official: str  # task41
    name: str  # the rest of the file's name
    definition: str
    categories: tuple[str, ...]
    source: str
    url: str
    language: str  # of the outputs
    instances: int
    unanswered: int = 0  # instances with an empty output: cases without a reference
    outputs: tuple[str, ...] = ()  # the distinct outputs where they are few, as a closed label set has
    lettered: str | None = None  # what stands before the letter where nearly all outputs name an option, `B: ...`
    structured: bool = False  # the outputs are lists or objects, written out


def find(paths: Iterable[Path]) -> list[Path]:
    """The task files in folders and among single files, sorted; raises `BadFile` for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix in (".json", ".jsonl") and p.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise BadFile(path, "there is no such file or folder.")
    return found


def check(path: Path, *, task: str | None = None) -> Released:
    """Read the file once, to its end. Raises `BadFile` with position and reason; memory stays flat."""
    match = FILE_NAME.match(path.stem)
    official = task or (match.group(1) if match else "")
    if not official:
        raise BadFile(path, "is not named task<number>_...; name its task with --task, for example --task task41.")
    head, outputs, count = dict[str, list[str]](), set[str](), 0
    forms, frames = Counter[str](), Counter[str]()
    try:
        for count, instance in enumerate(_instances(path, head), 1):
            _, answers = _pair(path, count, instance)
            _look_at(answers, forms, frames)
            if len(outputs) <= MOST_LABELS:
                outputs.update(answer.strip() for answer in answers[:1])
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise _broken(path, count, error) from error
    if not count:
        raise BadFile(path, "has no Instances. Is it a task file of MedS-Bench or MedS-Ins?")
    definition = next((d for d in head.get("Definition", []) if d.strip()), "")
    if not definition:
        raise BadFile(path, "has no Definition. Is it a task file of MedS-Bench or MedS-Ins?")
    return Released(
        path=path,
        official=official,
        name=(match.group(2) or "" if match else path.stem).replace("_", " "),
        definition=definition,
        categories=tuple(head.get("Categories", [])),
        source=", ".join(head.get("Source", [])),
        url=", ".join(head.get("URL", [])),
        language=next(iter([*head.get("Output_language", []), *head.get("Input_language", [])]), ""),
        instances=count,
        unanswered=forms["empty"],
        outputs=tuple(sorted(outputs)) if len(outputs) <= min(MOST_LABELS, count / 3) else (),
        lettered=frames.most_common(1)[0][0] if frames.total() >= MOST * count else None,
        structured=forms["structured"] >= MOST * count,
    )


def _look_at(answers: tuple[str, ...], forms: Counter[str], frames: Counter[str]) -> None:
    if not answers:
        forms["empty"] += 1
    elif answers[0].lstrip().startswith(("[", "{")):
        forms["structured"] += 1
    elif match := LETTER.search(answers[0][:BEGINS]):
        frame = answers[0][: match.start()]
        frames[frame if frame in frames or len(frames) < MOST_LABELS else ""] += 1


def cases(released: Released, task: str, *, licence: str, restricted: bool) -> Iterator[Case]:
    """The instances as cases of `task`. Ids are hashes of the text, numbered where a text stands twice."""
    seen: Counter[bytes] = Counter()
    for number, instance in enumerate(_instances(released.path, {}), 1):
        text, answers = _pair(released.path, number, instance)
        digest = hashlib.sha256("\0".join((text, *answers)).encode())
        seen[digest.digest()[:8]] += 1
        again = seen[digest.digest()[:8]]
        short = " ".join(text.split())
        yield Case(
            id=f"{released.official}-{digest.hexdigest()[:12]}" + (f"-{again}" if again > 1 else ""),
            task=task,
            title=short[:57] + ("..." if len(short) > 57 else ""),
            inputs={RAW: text},
            target=answers or None,
            source=f"{released.path.name}: {released.source or released.url or 'source not stated'}",
            licence=licence,
            restricted=restricted,
        )


def chosen(items: Iterable[Case], *, limit: int | None, sample: int | None, seed: int) -> Iterator[Case]:
    """The first `limit`, or `sample` drawn evenly by `seed` in the file's order (reservoir: one pass)."""
    if sample is None:
        for number, item in enumerate(items):
            if limit is not None and number >= limit:
                return
            yield item
        return
    draw, kept = random.Random(seed), []
    for number, item in enumerate(items):
        if number < sample:
            kept.append((number, item))
        elif (place := draw.randrange(number + 1)) < sample:
            kept[place] = (number, item)
    yield from (item for _, item in sorted(kept, key=lambda pair: pair[0])[:limit])


def _instances(path: Path, head: dict[str, list[str]]) -> Iterator[dict[str, list[str]]]:
    """Each instance as {key: texts}; what stands beside the instances is put into `head`."""
    current: dict[str, list[str]] | None = None
    with _opened(path) as file:
        for prefix, event, value in ijson.parse(file):
            if prefix == "Instances.item" and event == "start_map":
                current = {}
            elif prefix == "Instances.item" and event == "end_map" and current is not None:
                yield current
                current = None
            elif event in ("string", "number", "boolean", "null", "start_array"):
                name, _, rest = prefix.removeprefix("Instances.item.").partition(".")
                into = current if current is not None else head if not prefix.startswith("Instances") else None
                if into is not None and set(rest.split(".")) <= {"", "item"}:  # lists may stand in lists
                    texts = into.setdefault(name, [])
                    if value is not None:
                        texts.append(value if isinstance(value, str) else str(value))


def _pair(path: Path, number: int, instance: dict[str, list[str]]) -> tuple[str, tuple[str, ...]]:
    """Input and answers; no answers where the output is there, but empty."""
    text, answers = instance.get("input"), instance.get("output")
    if not text or not text[0].strip():
        raise BadFile(path, "has no input.", position=f"instance {number}")
    if answers is None:
        raise BadFile(path, "has no output.", position=f"instance {number}")
    return text[0].strip(), tuple(answers) if answers and answers[0].strip() else ()


def _opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.read(3) != b"\xef\xbb\xbf":  # a byte order mark is passed over
        file.seek(0)
    return file


def _broken(path: Path, count: int, error: Exception) -> BadFile:
    """Line and column where the file is small enough to be read again, else the instance."""
    if path.stat().st_size <= EXACT_UP_TO:
        try:
            json.loads(path.read_text(encoding="utf-8-sig"))
        except json.JSONDecodeError as exact:
            return BadFile(path, f"{exact.msg}.", position=f"line {exact.lineno}, column {exact.colno}")
        except UnicodeDecodeError as exact:
            return BadFile(path, "is not UTF-8.", position=f"byte {exact.start}")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadFile(path, f"{reason}.", position=f"after instance {count}")
