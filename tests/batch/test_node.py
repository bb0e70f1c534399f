"""What a node does, without Ray: it answers as the model that the key of the answer names, or says why not."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base import GenerateConfig, Message
from adapters.errors import RateLimited, Unavailable
from playground.batch.cleartext import clear_secrets
from playground.batch.cluster import asking_on, share, spread
from playground.batch.node import Asker, Opening, Reply, Request
from playground.batch.plan import Plan as BatchPlan
from playground.cli.batchrun import agree
from playground.errors import BadInput
from playground.models import ModelSpec
from tests.batch.helpers import KEY, RUN, Bench, bench, on_server
from tests.http_provider import HttpProvider, Plan

ASKED = Request(task="", messages=(Message("user", "hello there"),), config=GenerateConfig(max_tokens=8))
WITHOUT_RAY = "import sys; sys.modules['ray'] = None; " + RUN


def opening(server: HttpProvider, **changes: str) -> Opening:
    options = {"base_url": server.openai_url, "api_key_env": "SECRET_KEY", "max_retries": 0}
    spec = ModelSpec(model="compatible/a", label="A", options=options)
    return Opening(spec=spec, identities={"": changes.pop("identity", f"{server.openai_url} a")}, **changes)


async def test_an_answer_comes_back_with_the_nodes_own_times(
    server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    server.script("a", Plan("one two", first_token_s=0.2))
    reply = await Asker(opening(server)).ask(ASKED)
    assert (reply.text, reply.error, reply.last.stop_reason) == ("one two", None, "stop")
    assert reply.first_token_s
    assert reply.total_s
    assert 0.2 <= reply.first_token_s <= reply.total_s
    assert server.asked("a")[0].headers["authorization"] == f"Bearer {KEY}"


def test_what_has_started_has_loaded_all_that_the_first_request_needs() -> None:
    code = (
        "import asyncio, gc, sys;"
        "from playground.batch.node import Asker, Opening; from playground.models import ModelSpec;"
        "spec = ModelSpec(model='compatible/a', label='a', options={'base_url': 'http://127.0.0.1:1/v1'});"
        "asker = Asker(Opening(spec=spec, identities={'': 'http://127.0.0.1:1/v1 a'}));"
        "print(asyncio.run(asker.start()), 'aiohttp' in sys.modules, gc.get_freeze_count() > 10_000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "None True True", done.stderr


async def test_a_failure_survives_the_way_back_as_it_was(server: HttpProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    server.script("a", Plan(status=429, retry_after=7))
    back: Reply = pickle.loads(pickle.dumps(await Asker(opening(server)).ask(ASKED)))
    assert isinstance(back.error, RateLimited)
    assert back.error.retry_after == 7
    assert KEY not in repr(back)


async def test_a_node_without_the_key_is_named_with_what_is_missing(
    server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    error = await Asker(opening(server)).start()
    assert isinstance(error, Unavailable)
    assert error.fatal
    assert str(error).startswith("Node ")
    assert "Set SECRET_KEY" in str(error)


@pytest.mark.parametrize("changes", [{"version": "0.0.1"}, {"identity": "http://elsewhere/v1 a"}])
async def test_a_node_that_would_answer_as_something_else_asks_nothing(
    changes: dict[str, str], server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    error = await Asker(opening(server, **changes)).start()
    assert isinstance(error, Unavailable)
    assert next(iter(changes.values())) in str(error)
    assert server.asked() == []


def test_nothing_that_travels_holds_the_key(server: HttpProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    assert KEY.encode() not in pickle.dumps((opening(server), ASKED))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"extra": {"api_key": "abcdefgh12345678"}}, ["extra.api_key"]),
        ({"extra": {"headers": [{"Authorization": "Bearer abcdefgh1234"}]}}, ["extra.headers.0.Authorization"]),
        ({"extra": {"user": "sk-abcdefgh12345678"}}, ["extra.user"]),
        ({"base_url": "http://me:word@127.0.0.1/v1"}, ["base_url"]),
        ({"base_url": "http://127.0.0.1/v1?token=abcdefgh"}, ["base_url"]),
        ({"api_key_env": "OPENAI_API_KEY", "base_url": "https://api.openai.com/v1"}, []),
        (
            {"max_tokens_field": "max_completion_tokens", "stop": ["<|end_of_text|>"], "extra": {"eos_token": "</s>"}},
            [],
        ),
    ],
)
def test_secrets_in_clear_text_are_found_by_name_or_by_look(options: dict[str, object], found: list[str]) -> None:
    assert list(clear_secrets(options)) == found


@pytest.mark.parametrize(
    ("gpus", "models", "shares"),
    [(1, 1, [1]), (2, 1, [2]), (2, 2, [1, 1]), (5, 2, [3, 2]), (1, 3, [1, 1, 1])],
)
def test_local_models_share_the_gpus_and_none_goes_without(gpus: int, models: int, shares: list[int]) -> None:
    assert [share(gpus, models, number) for number in range(models)] == shares


def test_text_for_other_nodes_needs_consent_and_this_machine_does_not(
    one: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with one.open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=("compatible/a",)))
        estimates = playground.batch.estimate(work)
    agree(estimates, cluster="auto", yes=False)
    agree(estimates, cluster="10.0.0.1:6379", yes=True)
    with pytest.raises(BadInput, match=r"the nodes of the cluster at 10\.0\.0\.1:6379.*--yes"):
        agree(estimates, cluster="10.0.0.1:6379", yes=False)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(BadInput, match="the nodes of the cluster"):
        agree(estimates, cluster="auto", yes=False)


def command(bench: Bench, *more: str, program: str = RUN) -> list[str]:
    plan = ["batch", "run", "--task", "pairs", "--model", "compatible/a", "--out", str(bench.out), "--yes"]
    return [sys.executable, "-c", program, *plan, *more]


def ended(bench: Bench, *more: str, program: str = RUN, **env: str) -> subprocess.CompletedProcess[str]:
    words = command(bench, *more, program=program)
    return subprocess.run(words, env={**bench.env, **env}, capture_output=True, text=True, timeout=60)


@pytest.fixture
def one(server: HttpProvider, tmp_path: Path) -> Bench:
    return bench(tmp_path, on_server(server.openai_url, "a"), cases=2)


def test_without_ray_the_option_says_what_to_install(one: Bench) -> None:
    refused = ended(one, "--cluster", "auto", program=WITHOUT_RAY)
    assert refused.returncode == 2
    assert "pip install -e '.[cluster]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_ray_gets_a_token_and_sends_no_statistics() -> None:
    code = (
        "import os, sys, types; sys.modules['ray'] = types.ModuleType('ray');"
        "from playground.batch.cluster import _ray; _ray();"
        "print(os.environ['RAY_AUTH_MODE'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "token 0", done.stderr


def test_without_the_option_nothing_of_ray_is_imported(one: Bench) -> None:
    assert ended(one, program=WITHOUT_RAY).returncode == 0
    assert len(one.answered()) == 2


def test_a_secret_in_models_yaml_is_refused_before_anything_starts(server: HttpProvider, tmp_path: Path) -> None:
    made = bench(tmp_path, on_server(server.openai_url, "a", extra={"api_key": KEY}), cases=2)
    refused = ended(made, "--cluster", "auto")
    assert refused.returncode == 2
    assert "compatible/a, extra.api_key" in refused.stderr
    assert KEY not in refused.stderr + refused.stdout
    assert server.asked() == []


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("address", "env", "words"),
    [
        ("127.0.0.1:1", {}, "ray start --head"),
        ("nowhere", {}, "neither auto nor HOST:PORT"),
        ("ray://127.0.0.1:10001", {}, "neither auto nor HOST:PORT"),
        ("auto", {"RAY_AUTH_MODE": "disabled"}, "RAY_AUTH_MODE=disabled"),
        ("auto", {"RAY_ADDRESS": "127.0.0.1:1"}, "127.0.0.1:1"),
    ],
)
def test_a_cluster_that_cannot_be_joined_says_what_to_do(
    address: str, env: dict[str, str], words: str, one: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", **env}.items():
        monkeypatch.setenv(name, value)
    with one.open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=("compatible/a",)))
        with pytest.raises(BadInput, match=words), asking_on(address, work):
            pytest.fail("it was joined")


@pytest.mark.parametrize(
    ("wanted", "cores", "actors"),
    [
        (1, [8, 8], [1, 1]),
        (2, [8], [2]),
        (10, [8, 1, 1], [8, 1, 1]),
        (5, [2, 8], [2, 3]),
        (3, [0], [1]),
        (4, [4, 4], [2, 2]),
    ],
)
def test_actors_go_where_cores_are_left(wanted: int, cores: list[int], actors: list[int]) -> None:
    assert spread(wanted, cores) == actors
