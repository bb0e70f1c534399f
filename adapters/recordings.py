"""Readers of recorded answers: a MedS-Bench results CSV, or a run file of our own. Pure: files in, records out.

A results CSV has the columns `task_id,input,GT,output`. Its input may be the whole string a chat model was given;
what is kept of it is the case's own text: the last user turn, without the frame `Input:` ... `Output:`. For models
that take messages the official `eval.py` writes them out as Python does, `[{'role': ...}]` or `{'system': ...}`.
"""

import ast
import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from adapters.base import StopReason, Usage

COLUMNS = ("task_id", "input", "GT", "output")
LARGEST_CELL = 2**31 - 1
USER_TURNS = (  # Llama 3, ChatML, Llama 2 and Mistral
    re.compile(r"<\|start_header_id\|>user<\|end_header_id\|>(.*?)(?=<\|eot_id\|>|<\|start_header_id\|>|\Z)", re.S),
    re.compile(r"<\|im_start\|>user\n(.*?)(?=<\|im_end\|>|<\|im_start\|>|\Z)", re.S),
    re.compile(r"\[INST\](?:\s*<<SYS>>.*?<</SYS>>)?(.*?)(?=\[/INST\]|\Z)", re.S),
)
LEARN = "Please learn from the few-shot cases to see what content you have to output."  # ends the official definition
TOKENS = re.compile(r"<\|(?:begin_of_text|end_of_text|eot_id|im_end|endoftext)\|>|</?s>")
STOPPED: dict[str, StopReason] = {"stop": "stop", "length": "length", "refusal": "refusal"}


class Unreadable(ValueError):
    """A file of recordings that cannot be read. `line` counts from 1 and is None where no line is to blame."""

    def __init__(self, path: Path, reason: str, *, line: int | None = None) -> None:
        super().__init__(f"{path.name}{f', line {line}' if line else ''}: {reason}")
        self.path, self.line, self.reason = path, line, reason


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One row of a results CSV. `input` is the case's own text, `row` counts from 0."""

    task_id: str
    input: str
    target: str
    output: str
    row: int


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One answer of a run of our own. `error` is None where there is an answer."""

    model: str
    task: str
    case: str
    input: str
    text: str
    error: str | None
    stop_reason: StopReason | None
    prompt_sha256: str
    model_returned: str | None
    usage: Usage


def model_name(path: Path) -> str:
    """The model that a results file is named after: `EN_Rationale_MMedS-Llama3.csv` -> `MMedS-Llama3`."""
    return path.stem.rsplit("_", 1)[-1] or path.stem


def read_results_csv(path: Path) -> list[Recorded]:
    """Every row, in order. Raises `Unreadable` (a ValueError) that names file, line and reason."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(file, path))
    except OSError as error:
        raise Unreadable(path, f"{error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8.") from error


def _rows(file: IO[str], path: Path) -> Iterator[Recorded]:
    csv.field_size_limit(min(sys.maxsize, LARGEST_CELL))
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [c for c in COLUMNS if c not in header]:
            reason = f"no column {', '.join(missing)}. The first line must hold {','.join(COLUMNS)}."
            raise Unreadable(path, reason, line=1)
        places, row = [header.index(c) for c in COLUMNS], 0
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                reason = f"{len(cells)} cells in place of {len(header)}. Put texts that hold a comma in quotes."
                raise Unreadable(path, reason, line=reader.line_num)
            task_id, text, target, output = (cells[p] for p in places)
            yield Recorded(task_id=task_id.strip(), input=case_text(text), target=target, output=output, row=row)
            row += 1
    except csv.Error as error:
        raise Unreadable(path, f"{error}.", line=reader.line_num) from error


def case_text(prompt: str) -> str:
    """The case's own text in what a model was given: the last user turn without chat tokens and frame.

    Where demonstrations stand before it, it is what follows the definition's last words, or the last line `Input:`.
    """
    turns = next((found for pattern in USER_TURNS if (found := pattern.findall(prompt))), None)
    written = None if turns else _written_out(prompt)
    text = TOKENS.sub("", turns[-1] if turns else written or prompt).strip()
    _, learnt, after = text.rpartition(LEARN)
    if learnt and after.strip():
        text = after.strip()
    elif not turns and written is None and text.endswith("Output:"):
        start = f"\n{text}".rfind("\nInput:")
        text = text[max(start, 0) :]
    return text.removeprefix("Input:").removesuffix("Output:").strip()


def _written_out(prompt: str) -> str | None:
    """The last user text of messages that stand there as Python writes them; None where there are none."""
    if not prompt.lstrip().startswith(("[{", "{")):
        return None
    try:
        value = ast.literal_eval(prompt.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, dict):
        text = value.get("user")
    else:
        roles = [m for m in value if isinstance(m, dict)] if isinstance(value, list) else []
        text = next((m.get("content") for m in reversed(roles) if m.get("role") == "user"), None)
    return text if isinstance(text, str) else None


def read_run_file(path: Path) -> list[RunLine]:
    """The answers of a run file (JSON Lines); its first line may describe the run, a torn last line is left out.

    Raises `Unreadable` for a line in the middle that is not a JSON object.
    """
    found: list[RunLine] = []
    broken: int | None = None
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                if broken is not None:
                    raise Unreadable(path, "not a line of JSON.", line=broken)
                try:
                    row = json.loads(line)
                except ValueError:
                    broken = number
                    continue
                if isinstance(row, dict) and "case" in row and "model" in row and ("text" in row or "error" in row):
                    found.append(_run_line(row))
    except OSError as error:
        raise Unreadable(path, f"{error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise Unreadable(path, f"not UTF-8 ({error.reason} at byte {error.start}).") from error
    if broken is not None and not found:
        raise Unreadable(path, "not a line of JSON.", line=broken)
    return found


def _run_line(row: dict[str, Any]) -> RunLine:
    usage = row.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return RunLine(
        model=str(row["model"]),
        task=str(row.get("task") or ""),
        case=str(row["case"]),
        input=str(row.get("input") or ""),
        text=str(row.get("text") or ""),
        error=None if row.get("error") is None else str(row["error"]),
        stop_reason=STOPPED.get(str(row.get("stop_reason"))),
        prompt_sha256=str(row.get("prompt_sha256") or ""),
        model_returned=row.get("model_returned"),
        usage=Usage(input_tokens=counts.get("input_tokens"), output_tokens=counts.get("output_tokens")),
    )
