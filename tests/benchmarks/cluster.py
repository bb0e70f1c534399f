"""A run over Ray beside the plain one, on the same server in one go. By hand: python tests/benchmarks/cluster.py

The server is a process of its own; 1,000 cases, answers of 100 tokens that begin after a second. Start-up, apart: from
the call to the first request; the rest is the wall time compared. Needs pip install -e '.[cluster]'; figures seen are
in cluster.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playground.batch.cluster import Asking, asking_on
from playground.batch.plan import Plan
from tests.batch.helpers import Bench, bench, on_server

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex(), "RAY_USAGE_STATS_ENABLED": "0"}
os.environ.update(TOKEN)  # before Ray is imported; simulated nodes inherit it
FIRST_TOKEN = 1.0  # seconds
LIMIT = 1.15  # times the plain run's wall time


@dataclass(frozen=True)
class Figures:
    """Seconds. `wall`: from the first request to the last answer; `in_flight`: most requests at once."""

    start: float
    wall: float
    whole: float
    in_flight: int
    cpu: float  # of this process


@contextmanager
def served() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.http_provider", "--tokens", "100", "--first-token", str(FIRST_TOKEN)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin
    assert server.stdout
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(10)


def asked(url: str) -> list[dict[str, float]]:
    with urllib.request.urlopen(f"{url}/requests") as response:
        return json.load(response)


def run(made: Bench, url: str, name: str, lanes: int, asking: Asking | None) -> Figures:
    plan = Plan(tasks=("pairs",), models=("compatible/a",), concurrency=lanes)
    with made.open() as playground:
        work = playground.batch.work(plan)
        before, begun, cpu = len(asked(url)), time.monotonic(), time.process_time()
        ended = playground.batch.run(work, made.folder / name, asking=asking)
        whole, cpu = time.monotonic() - begun, time.process_time() - cpu
    tally = ended.tallies["compatible/a"]
    assert tally.done == tally.total, tally
    mine = asked(url)[before:]
    assert len(mine) == tally.total
    first, last = min(a["started"] for a in mine), max(a["ended"] for a in mine)
    return Figures(first - begun, last - first, whole, most_at_once(mine), cpu)


def most_at_once(requests: list[dict[str, float]]) -> int:
    changes = sorted([(a["started"], 1) for a in requests] + [(a["ended"], -1) for a in requests])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@contextmanager
def on_ray(made: Bench, address: str) -> Iterator[Asking]:
    with made.open() as playground:
        work = playground.batch.work(Plan(tasks=("pairs",), models=("compatible/a",), concurrency=args.lanes))
        with asking_on(address, work) as asking:
            yield asking


@contextmanager
def two_nodes() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def told(name: str, found: list[Figures], plain: float | None) -> float:
    wall = median(f.wall for f in found)
    ratio = "" if plain is None else f", {wall / plain:.2f} times the plain one"
    print(
        f"{name:18} wall {', '.join(f'{f.wall:.2f}' for f in found)} s (median {wall:.2f}{ratio}); "
        f"start {median(f.start for f in found):.1f} s, whole {median(f.whole for f in found):.1f} s, "
        f"at most {max(f.in_flight for f in found)} at once, driver CPU {median(f.cpu for f in found):.1f} s",
        flush=True,
    )
    return wall


def measure(made: Bench, url: str) -> float:
    """In turn, so that what else the machine does hits all alike."""
    found: dict[str, list[Figures]] = {"plain": [], "Ray, one machine": [], "Ray, two nodes": []}

    def once(name: str, number: int, asking: Asking | None) -> None:
        found[name].append(run(made, url, f"{name} {number}", args.lanes, asking))

    for number in range(args.times):
        once("plain", number, None)
        with on_ray(made, "local") as asking:
            once("Ray, one machine", number, asking)
        with two_nodes() as address, on_ray(made, address) as asking:
            once("Ray, two nodes", number, asking)
    plain = told("plain", found.pop("plain"), None)
    return max(told(name, each, plain) for name, each in found.items()) / plain


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--lanes", type=int, default=200)
    parser.add_argument("--times", type=int, default=3)
    args = parser.parse_args()
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"Python {sys.version.split()[0]}, {cores} cores, load {load:.1f}; {args.cases} cases, {args.lanes} lanes")
    print(f"ideal: {args.cases / args.lanes * FIRST_TOKEN:.2f} s")
    with tempfile.TemporaryDirectory() as folder, served() as url:
        worst = measure(bench(Path(folder), on_server(f"{url}/v1", "a"), cases=args.cases), url)
    print(f"worst ratio {worst:.2f}, asked for: at most {LIMIT}")
