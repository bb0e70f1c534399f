"""A folder with a task, its cases and models on a real server; runs in this process or in one of their own."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from playground.batch.plan import Plan
from playground.batch.runner import BatchRun
from playground.service import Playground
from playground.settings import Settings
from tests.http_provider import HttpProvider
from tests.samples import LABELS, case, task

RUN = "from playground.__main__ import main; main()"
KEY = "sk-very-secret-0815"
SECRET_WORDS = "crushing retrosternal pain"  # stands in every case, and may stand in no log but as an answer


@dataclass(frozen=True)
class Bench:
    """`data`: database; `library`: task `pairs` with cases; `models`: models.yaml."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "run"

    @property
    def env(self) -> dict[str, str]:
        own = {
            "PLAYGROUND_DATA": str(self.folder / "data"), "PLAYGROUND_LIBRARY": str(self.folder / "library"),
            "PLAYGROUND_MODELS": str(self.folder / "models.yaml"), "SECRET_KEY": KEY,
        }  # fmt: skip
        return {**{k: v for k, v in os.environ.items() if not k.startswith("PLAYGROUND_")}, **own}

    def open(self) -> Playground:
        return Playground.open(
            Settings(data=self.folder / "data", library=self.folder / "library", models=self.folder / "models.yaml")
        )

    def run(self, *models: str, out: Path | None = None, reuse: Path | None = None, **plan: Any) -> BatchRun:
        """Run in this process, to the end."""
        with self.open() as playground:
            work = playground.batch.work(Plan(tasks=("pairs",), models=models, **plan))
            return playground.batch.run(work, out or self.out, reuse=reuse)

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-c", RUN, "batch", *map(str, words)]

    def cli(self, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
        """`playground batch WORDS...` as a process of its own."""
        env = {**self.env, **env}
        return subprocess.run(self.command(*words), env=env, capture_output=True, text=True, timeout=60)

    def start(self, *words: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*words), env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def rows(self, out: Path | None = None) -> list[dict[str, Any]]:
        return [line for line in lines(out or self.out) if line["type"] == "row"]

    def answered(self, out: Path | None = None) -> list[tuple[str, str, int]]:
        return [(r["model"], r["case"], r["repeat"]) for r in self.rows(out) if r["error"] is None]


def lines(out: Path) -> list[dict[str, Any]]:
    """Every line of the log that parses."""
    found = []
    path = out / "log.jsonl"
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def bench(folder: Path, models: Sequence[dict[str, Any]], *, cases: int) -> Bench:
    """Write the folder. Case number n has the id `cn`."""
    library = folder / "library"
    (library / "tasks").mkdir(parents=True)
    (library / "examples" / "pairs").mkdir(parents=True)
    values = task(medsbench=("task41",)).model_dump(mode="json", exclude={"id"})
    (library / "tasks" / "pairs.yaml").write_text(yaml.safe_dump(values))
    for n in range(cases):
        premise = f"A man of {40 + n} has had {SECRET_WORDS} for {n} hours."
        made = case(f"c{n}", (LABELS[n % 3],), inputs={"premise": premise, "statement": "He is ill."})
        path = library / "examples" / "pairs" / f"c{n}.yaml"
        path.write_text(yaml.safe_dump(made.model_dump(mode="json", exclude_none=True)))
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": list(models)}))
    return Bench(folder)


def times_asked(server: HttpProvider) -> Counter[tuple[str, str]]:
    """(model reference, case id) -> requests so far."""
    texts = ((f"compatible/{r.model}", str(r.body["messages"][-1]["content"])) for r in server.asked())
    ages = ((model, re.search(r"A man of (\d+) has had", text)) for model, text in texts)
    return Counter((model, f"c{int(age.group(1)) - 40}") for model, age in ages if age)


def on_server(url: str, *names: str, **options: Any) -> list[dict[str, Any]]:
    """Entries `compatible/NAME` on one server; options that start with `spec_` belong to the entry itself."""
    spec = {k.removeprefix("spec_"): v for k, v in options.items() if k.startswith("spec_")}
    rest = {k: v for k, v in options.items() if not k.startswith("spec_")}
    return [
        {"model": f"compatible/{name}", "label": name, "options": {"base_url": url, **rest}, **spec} for name in names
    ]


def texts(found: Iterable[dict[str, Any]]) -> list[str]:
    return [row["text"] for row in found]
