"""The batch benchmark's task for inspect_ai; run by the peer's own Python. BENCH_CASES: a JSON Lines file."""

import json
import os
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def bench() -> Task:
    rows = [json.loads(line) for line in Path(os.environ["BENCH_CASES"]).read_text().splitlines()]
    samples = [Sample(input=row["question"], target=row["answer"]) for row in rows]
    return Task(dataset=MemoryDataset(samples), solver=generate(max_tokens=256, temperature=0.0), scorer=match())
