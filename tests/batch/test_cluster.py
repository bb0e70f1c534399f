"""Runs over Ray on two simulated nodes, with real processes that are killed. What Ray prints is not judged."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from playground.batch.plan import Plan as BatchPlan
from playground.batch.runner import BatchRun
from tests.batch.helpers import KEY, SECRET_WORDS, Bench, lines, times_asked
from tests.conftest import missing
from tests.http_provider import HttpProvider, Plan
from tests.local.checkpoint import make as make_checkpoint

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
TOKEN = "0123456789abcdef" * 4
SLOW = Plan("neutral", first_token_s=0.3)
NOT_ALIKE = {"created", "first_token_s", "total_s"}  # from one run to the next


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes as an operator starts them, token and keys in their environment: one has a core, the other has two and
    a pretended GPU.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("SECRET_KEY", KEY)
        try:
            from ray.cluster_utils import Cluster
        except ImportError:
            missing("Ray", "pip install -e '.[cluster]'")
        running = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        running.add_node(num_cpus=2, num_gpus=1)
        yield running
        running.shutdown()


def run_on(cluster: Any, bench: Bench, *models: str, seen: Callable[[BatchRun], object] | None = None, **plan: Any):
    """Run in this process, to the end, on the cluster."""
    from playground.batch.cluster import asking_on

    with bench.open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=models, **plan))
        with asking_on(cluster.address, work) as asking:
            return playground.batch.run(work, bench.out, asking=asking, seen=seen or (lambda run: None))


def askers(node: Any) -> list[int]:
    """The processes of a node's actors."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended in between
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == raylet and (folder / "cmdline").read_bytes().startswith(b"ray::Asker"):
                found.append(int(folder.name))
    return found


class Watch:
    """Notes which actors' processes there were on each node, and how many at once; called at every change of a run."""

    def __init__(self, cluster: Any) -> None:
        self._nodes = cluster.list_all_nodes()
        self.askers: list[set[int]] = [set() for _ in self._nodes]
        self.most = 0

    def __call__(self, run: BatchRun) -> None:
        now = [askers(node) for node in self._nodes]
        self.most = max(self.most, sum(map(len, now)))
        for known, found in zip(self.askers, now, strict=True):
            known.update(found)


def once(after: int, do: Callable[[], object]) -> Callable[[BatchRun], None]:
    """Do it when so many answers have come."""
    done: list[object] = []

    def seen(run: BatchRun) -> None:
        if not done and sum(t.done for t in run.tallies.values()) >= after:
            done.append(None)
            do()

    return seen


def command(bench: Bench, address: str) -> tuple[str, ...]:
    plan = ("--task", "pairs", "--model", "compatible/a", "--concurrency", "6", "--yes")
    return ("run", *plan, "--cluster", address, "--out", str(bench.out))


def assert_each_answered_once(bench: Bench, *, cases: int, repeats: int = 1) -> None:
    counts = Counter((case, repeat) for _, case, repeat in bench.answered())
    assert set(counts.values()) == {1}, counts
    assert len(counts) == cases * repeats


def test_a_run_on_two_nodes_writes_the_rows_of_one_machine(cluster: Any, make: Callable[..., Bench]) -> None:
    bench = make("a", "b", cases=12, api_key_env="SECRET_KEY")
    models, watch = ("compatible/a", "compatible/b", "baseline/nearest"), Watch(cluster)
    bench.run(*models, out=bench.folder / "plain", shots=1)
    ended = run_on(cluster, bench, *models, shots=1, seen=watch)
    assert [len(each) for each in watch.askers] == [3, 3]
    assert all(t.done == t.total == 12 for t in ended.tallies.values())

    def alike(out: Path) -> list[dict[str, Any]]:
        kept = [{k: v for k, v in row.items() if k not in NOT_ALIKE} for row in bench.rows(out)]
        return sorted(kept, key=lambda row: (row["model"], row["case"]))

    assert alike(bench.out) == alike(bench.folder / "plain")
    assert all(0 <= row["first_token_s"] <= row["total_s"] < 30 for row in bench.rows())


def test_many_lanes_get_several_processes_on_a_node_but_no_more_than_it_has_cores(
    cluster: Any, make: Callable[..., Bench]
) -> None:
    bench, watch = make("a", cases=12, api_key_env="SECRET_KEY"), Watch(cluster)
    ended = run_on(cluster, bench, "compatible/a", concurrency=500, seen=watch)
    assert [len(each) for each in watch.askers] == [1, 2]
    assert ended.tallies["compatible/a"].done == 12


def test_killing_a_process_and_losing_a_node_loses_and_doubles_no_row(
    cluster: Any, make: Callable[..., Bench], server: HttpProvider
) -> None:
    server.script("a", SLOW)
    bench, node, killed = make("a", cases=100), cluster.add_node(num_cpus=1), []

    def kill() -> None:
        killed.extend(askers(cluster.head_node))
        os.kill(killed[0], signal.SIGKILL)

    process, machine = once(20, kill), once(50, lambda: cluster.remove_node(node, allow_graceful=False))

    def seen(run: BatchRun) -> None:
        process(run)
        machine(run)

    run_on(cluster, bench, "compatible/a", concurrency=6, seen=seen)
    assert len(killed) == 1
    assert not node.any_processes_alive()
    assert_each_answered_once(bench, cases=100)
    assert all(row["error"] is None for row in bench.rows())


def test_the_same_command_goes_on_after_the_driver_was_killed(
    cluster: Any, make: Callable[..., Bench], server: HttpProvider
) -> None:
    server.script("a", SLOW)
    bench = make("a", cases=60, api_key_env="SECRET_KEY")
    words = command(bench, cluster.address)
    driver = bench.start(*words)
    server.wait(lambda: len(bench.answered()) >= 20, timeout=60)
    driver.kill()
    driver.communicate()
    before = bench.answered()
    assert 20 <= len(before) < 60
    again = bench.cli(*words)
    assert again.returncode == 0, again.stderr
    assert bench.answered()[: len(before)] == before
    assert_each_answered_once(bench, cases=60)
    asked = times_asked(server)
    assert [asked[model, case] for model, case, _ in before] == [1] * len(before), "none of them was asked again"


def test_auto_needs_nothing_set_up_and_leaves_no_token_behind(
    cluster: Any, make: Callable[..., Bench], server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that Ray remembers is that of `cluster`, whose token is not known here: it must not be joined."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.delenv(name)
    bench = make("a", cases=4, api_key_env="SECRET_KEY")
    monkeypatch.setenv("HOME", str(bench.folder))
    ended = bench.cli(*command(bench, "auto"))
    assert ended.returncode == 0, ended.stderr
    assert_each_answered_once(bench, cases=4)
    assert not (bench.folder / ".ray").exists()


def test_a_new_cluster_on_this_machine_lets_nobody_in_without_its_token(
    cluster: Any, make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from playground.batch.cluster import asking_on

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    knock = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]); print('in')"
    with make("a").open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=("compatible/a",)))
        with asking_on("auto", work):
            address = ray.get_runtime_context().gcs_address
            assert address != cluster.address
            answers = []
            for changes in ({"RAY_AUTH_TOKEN": TOKEN}, {"RAY_AUTH_TOKEN": TOKEN[::-1]}, {"RAY_AUTH_MODE": "disabled"}):
                words, env = [sys.executable, "-c", knock, address], {**os.environ, **changes}
                answers.append(subprocess.run(words, env=env, capture_output=True, text=True, timeout=60))
    assert [answer.stdout.strip() for answer in answers] == ["in", "", ""]
    assert all("InvalidAuthToken" in answer.stderr for answer in answers[1:])


def test_a_rate_holds_over_both_nodes(cluster: Any, make: Callable[..., Bench], server: HttpProvider) -> None:
    bench, watch = make("a", cases=60), Watch(cluster)
    run_on(cluster, bench, "compatible/a", concurrency=20, rate={"compatible/a": 10.0}, seen=watch)
    assert [len(each) for each in watch.askers] == [1, 1]
    starts = sorted(asked.started for asked in server.asked())
    gaps = [later - sooner for sooner, later in pairwise(starts)]
    assert median(gaps) > 0.05  # 0.1 but for a busy machine; a few milliseconds without the rate


def test_what_a_429_asks_for_holds_both_nodes_and_every_model_of_the_key(
    cluster: Any, make: Callable[..., Bench], server: HttpProvider
) -> None:
    server.script("a", *[SLOW] * 10, Plan(status=429, retry_after=3), SLOW)
    server.script("b", SLOW)
    bench = make("a", "b", cases=30, api_key_env="SECRET_KEY")
    run_on(cluster, bench, "compatible/a", "compatible/b", concurrency=4)
    refused = sorted(server.asked("a"), key=lambda asked: asked.started)[10]
    assert refused.ended
    after = [a.started - refused.ended for a in server.asked() if a.started > refused.ended]
    assert sum(seconds < 2.9 for seconds in after) <= 8  # what the lanes had sent; some 40 without the hold
    assert sum(seconds >= 2.9 for seconds in after) > 20
    assert sum(row["retries"] for row in bench.rows()) == 1


@pytest.mark.local
def test_a_local_model_has_a_gpu_to_itself_and_the_next_one_waits_for_it(
    cluster: Any, make: Callable[..., Bench]
) -> None:
    bench, alive = make("a", cases=4), []
    models = [f"local/{make_checkpoint(bench.folder / name, steps=0)}" for name in ("first", "second")]

    def seen(run: BatchRun) -> None:
        from ray._private.state import actors

        alive.append([a["ActorID"] for a in actors().values() if a["State"] == "ALIVE"])

    ended = run_on(cluster, bench, *models, seen=seen, max_tokens=4)
    assert all(t.done == 4 for t in ended.tallies.values())
    assert {len(each) for each in alive if each} == {1}
    assert len({each for one in alive for each in one}) == 2
    assert [row["model"] for row in bench.rows()] == [models[0]] * 4 + [models[1]] * 4


def test_no_file_of_ray_and_no_log_holds_a_key_a_token_or_a_case(
    cluster: Any, make: Callable[..., Bench], server: HttpProvider
) -> None:
    server.script("a", Plan("neutral"), Plan(status=500), Plan("neutral"), Plan(status=401))
    bench = make("a", cases=6, api_key_env="SECRET_KEY")
    run_on(cluster, bench, "compatible/a", concurrency=1)
    assert {asked.headers["authorization"] for asked in server.asked()} == {f"Bearer {KEY}"}
    assert [row["error_kind"] for row in bench.rows()][-1] == "authentication"
    time.sleep(1)  # what Ray writes behind
    session = Path(cluster.head_node.get_session_dir_path())
    written = [path for path in session.rglob("*") if path.is_file()]
    assert len(written) > 10
    for path in [*written, bench.out / "log.jsonl"]:
        text = path.read_bytes()
        for secret in (KEY, TOKEN, SECRET_WORDS):
            assert secret.encode() not in text, f"{path} holds {secret}"
    assert lines(bench.out)[0]["type"] == "manifest"
