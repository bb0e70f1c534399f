"""Released files, results files and the command line as a process of its own, with a real SQLite file."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RUN = "from playground.__main__ import main; main()"


def playground(data: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`playground WORDS...` with its database in `data`."""
    env = {**os.environ, "PLAYGROUND_DATA": str(data)}
    command = [sys.executable, "-c", RUN, *map(str, words)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)


def released(
    path: Path, instances: Iterable[tuple[str, Any]], *, definition: str = "Give the answer.", category: str = "Others"
) -> Path:
    """A released task file with these (input, output) pairs."""
    content = {
        "Contributors": ["A Person"], "Source": ["A set"], "URL": ["https://example.org"], "Categories": [[category]],
        "Definition": [definition], "Reasoning": [], "Input_language": ["English"], "Output_language": ["English"],
        "Instruction_language": ["English"], "Domains": ["Medicine"], "Positive Examples": [], "Negative Examples": [],
        "Instances": [{"input": text, "output": output} for text, output in instances],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def results(path: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    """A results CSV of (task id, GT, output)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("task_id", "input", "GT", "output"))
        writer.writerows((task, f"Input {i}", gold, output) for i, (task, gold, output) in enumerate(rows))
    return path
