"""Batch runs beside inspect_ai and lm-eval on the same server, and memory over 20,000 cases. By hand:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install "inspect-ai==0.3.*" "lm-eval[api]>=0.4"
    python -m tests.benchmarks.batch --peers /tmp/peers/bin/python

Wall and CPU seconds are of the whole process, start-up included. Answers have 100 tokens and take 1.0 s; ours are
streamed token by token, the peers' come in one piece. Ratios count; figures seen are in batch.md.
"""

import argparse
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.medsbench.helpers import playground, released

WORDS = "the patient reports a cough and fever with chest pain since two days after a long walk"
CASES, CONCURRENCY, MANY = 1000, (10, 50, 200), 20_000
HERE = Path(__file__).parent
RUN = "from playground.__main__ import main; main()"


@dataclass(frozen=True)
class Used:
    """What one process used: seconds, and megabytes at its peak. `rss`: megabytes over time."""

    wall: float
    cpu: float
    peak: float
    rss: tuple[float, ...] = ()


@contextmanager
def server(seconds: float, per_write: int) -> Iterator[str]:
    words = [sys.executable, HERE / "batch_server.py", "--seconds", str(seconds), "--per-write", str(per_write)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def measured(words: Sequence[object], env: Mapping[str, str], log: Path, *, here: Path | None = None) -> Used:
    """Run to the end, in the folder `here`; raises when it fails."""
    begun, rss = time.monotonic(), list[float]()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(w) for w in words], env={**os.environ, **env}, stdout=said, stderr=said, cwd=here
        )
        ended = os.pidfd_open(process.pid)
        while not select.select([ended], [], [], 0.05)[0]:
            rss.append(resident(process.pid))
        wall = time.monotonic() - begun
        os.close(ended)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{words[0]} ended with {status}; its last words:\n{log.read_text()[-3000:]}")
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, tuple(rss))


def resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def questions(number: int) -> list[tuple[str, str]]:
    """Texts of about 1.7 kB (300 tokens), the answer one of two labels: peers and we compare it, and do no more."""
    chance = random.Random(1)
    return [
        (f"Case {n}. " + " ".join(chance.choices(WORDS.split(), k=350)), chance.choice(("yes", "no")))
        for n in range(number)
    ]


class Ours:
    """Cases imported once; every run goes into a folder of its own."""

    name = "ours"

    def __init__(self, folder: Path, cases: int) -> None:
        self.folder, self.cases = folder, cases
        path = released(folder / "task9001_benchmark.json", questions(cases))
        done = playground(folder / "data", "medsbench", "import", path, "--licence", "CC0-1.0")
        if done.returncode:
            raise SystemExit(done.stderr)

    def run(self, url: str, concurrency: int) -> Used:
        models = {"models": [{"model": "compatible/bench", "label": "b", "options": {"base_url": f"{url}/v1"}}]}
        (self.folder / "models.yaml").write_text(yaml.safe_dump(models))
        out = self.folder / f"run-{concurrency}-{time.monotonic_ns()}"
        env = {
            "PLAYGROUND_DATA": str(self.folder / "data"), "PLAYGROUND_MODELS": str(self.folder / "models.yaml"),
        }  # fmt: skip
        words = [
            sys.executable, "-c", RUN, "batch", "run", "--task", "medsins_task9001", "--model", "compatible/bench",
            "--concurrency", concurrency, "--max-tokens", 256, "--out", out,
        ]  # fmt: skip
        used = measured(words, env, self.folder / "ours.txt")
        rows = [json.loads(line) for line in (out / "log.jsonl").open()]
        assert sum(r["type"] == "row" and r["error"] is None for r in rows) == self.cases
        return used


class Inspect:
    name = "inspect_ai"

    def __init__(self, folder: Path, python: Path, cases: Path) -> None:
        self.folder, self.python, self.cases = folder, python, cases

    def run(self, url: str, concurrency: int) -> Used:
        env = {"BENCH_CASES": str(self.cases), "BENCH_BASE_URL": f"{url}/v1", "BENCH_API_KEY": "none"}
        words = [
            self.python.with_name("inspect"), "eval", "batch_inspect.py", "--model", "openai-api/bench/bench",
            "--max-connections", concurrency, "--max-samples", concurrency, "--display", "none",
            "--log-dir", self.folder / "inspect",
        ]  # fmt: skip
        return measured(words, env, self.folder / "inspect.txt", here=HERE)


class LmEval:
    name = "lm-eval"

    def __init__(self, folder: Path, python: Path, cases: Path) -> None:
        self.folder, self.python = folder, python
        task = {
            "task": "bench", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(cases)}},
            "test_split": "test", "output_type": "generate_until", "doc_to_text": "{{question}}",
            "doc_to_target": "{{answer}}", "generation_kwargs": {"until": ["</end>"], "max_gen_toks": 256},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        }  # fmt: skip
        (folder / "tasks").mkdir()
        (folder / "tasks" / "bench.yaml").write_text(yaml.safe_dump(task))

    def run(self, url: str, concurrency: int) -> Used:
        env = {
            "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(self.folder / "hf"),
            "OPENAI_API_KEY": "none",
        }  # fmt: skip
        arguments = f"model=bench,base_url={url}/v1/chat/completions,num_concurrent={concurrency},max_retries=3"
        words = [
            self.python.with_name("lm_eval"), "--model", "local-chat-completions", "--model_args", arguments,
            "--tasks", "bench", "--include_path", self.folder / "tasks", "--apply_chat_template",
            "--output_path", self.folder / "lm", "--log_samples",
        ]  # fmt: skip
        return measured(words, env, self.folder / "lm.txt")


def compare(folder: Path, peers: Path | None, sizes: Sequence[int], per_write: int) -> None:
    cases = folder / "cases.jsonl"
    pairs = questions(CASES)
    cases.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in pairs))
    tools: list[Ours | Inspect | LmEval] = [Ours(folder, CASES)]
    if peers:
        tools += [Inspect(folder, peers, cases), LmEval(folder, peers, cases)]
    print(f"{CASES} cases, answers of 100 tokens in 1.0 s, {per_write} tokens a write; load {os.getloadavg()[0]:.1f}")
    with server(1.0, per_write) as url:
        for concurrency in sizes:
            found = {tool.name: tool.run(url, concurrency) for tool in tools}
            ideal = CASES / concurrency
            for name, used in found.items():
                share = "" if name == "ours" else f", ours used {found['ours'].cpu / used.cpu:.2f} of its CPU"
                print(
                    f"  at {concurrency:3}: {name:10} wall {used.wall:6.1f} s = {used.wall / ideal:.2f} x ideal, "
                    f"CPU {used.cpu:5.1f} s, peak {used.peak:.0f} MB{share}", flush=True,
                )  # fmt: skip


def memory(folder: Path) -> None:
    """Resident memory over a run of 20,000 cases whose answers come at once."""
    with server(0.0, 100) as url:
        few = Ours(made(folder / "few"), CASES).run(url, 50)
        many = Ours(made(folder / "many"), MANY).run(url, 50)
    steady = many.rss[len(many.rss) // 4 :]
    tenth = max(1, len(steady) // 10)
    first, last = (sum(part) / len(part) for part in (steady[:tenth], steady[-tenth:]))
    print(
        f"memory: peak {few.peak:.0f} MB for {CASES:,} cases, {many.peak:.0f} MB for {MANY:,}; over the last three "
        f"quarters of the long run {first:.0f} -> {last:.0f} MB; {MANY / many.wall:.0f} cases/s, start-up included"
    )


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="Python of an environment with inspect-ai and lm-eval[api].")
    parser.add_argument("--at", type=int, nargs="*", default=CONCURRENCY)
    parser.add_argument("--per-write", type=int, default=1, help="Tokens that the server sends at once.")
    parser.add_argument("--no-memory", action="store_true")
    options = parser.parse_args()
    # pip compiled the peers; a shell that forbids bytecode would have ours alone compiled anew at every start
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores shared with the server")
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options.peers, options.at, options.per_write)
        if not options.no_memory:
            memory(Path(name))


if __name__ == "__main__":
    main()
