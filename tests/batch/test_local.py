"""Local models in batch runs: full batches of the engine, a page that is served in between, prompts that do not fit."""

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest
import yaml

from adapters.base import GenerateConfig, Message, complete
from playground.batch.plan import Plan
from tests.batch.helpers import Bench, bench
from tests.conftest import missing

pytestmark = pytest.mark.local
LONG = "word " * 400


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        from tests.local.checkpoint import make

        return make(tmp_path_factory.mktemp("checkpoint") / "nano", steps=0)
    except ImportError:
        missing("torch", "pip install -e '.[local]'")
        raise


@pytest.fixture
def ran(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """40 cases, of which the first is far too long for the model."""
    monkeypatch.setenv("PLAYGROUND_LOCAL_MODELS", str(tmp_path / "pulled"))
    options = {"quantisation": "none", "device": "cpu", "context": 400}
    made = bench(tmp_path, [{"model": f"local/{checkpoint}", "label": "nano", "options": options}], cases=40)
    path = made.folder / "library" / "examples" / "pairs" / "c0.yaml"
    case = yaml.safe_load(path.read_text())
    case["inputs"]["premise"] = LONG
    path.write_text(yaml.safe_dump(case))
    return made


def test_the_engine_gets_batches_and_what_does_not_fit_is_counted_before(ran: Bench, checkpoint: Path) -> None:
    model = f"local/{checkpoint}"
    with ran.open() as playground:
        work = playground.batch.work(Plan(tasks=("pairs",), models=(model,), max_tokens=8, concurrency=50))
        (estimate,) = playground.batch.estimate(work)
        assert (estimate.requests, estimate.too_long, estimate.cost) == (40, 1, 0.0)
        tally = playground.batch.run(work, ran.out).tallies[model]
        assert (tally.done, tally.too_long, tally.failed, tally.left) == (39, 1, 0, 0)
        again = playground.batch.run(work, ran.out).tallies[model]
        (status,) = playground.batch.status(ran.out)
    assert (again.done, again.too_long, again.left, status.too_long) == (0, 1, 0, 1)
    rows = ran.rows()
    assert len(rows) == 40, "what does not fit is written down once, not at every start"
    assert LONG[:50] not in json.dumps(rows)
    sizes = [r["parameters"]["batch_size"] for r in rows if r["error"] is None]
    assert max(sizes) <= 8
    assert sum(sizes) / len(sizes) > 3, "batches are mostly full"


def test_a_page_s_question_does_not_wait_for_the_whole_run(ran: Bench, checkpoint: Path) -> None:
    model = f"local/{checkpoint}"
    with ran.open() as playground:
        work = playground.batch.work(Plan(tasks=("pairs",), models=(model,), max_tokens=20, repeats=2))
        run = threading.Thread(target=playground.batch.run, args=(work, ran.out))
        run.start()
        while len(ran.rows()) < 9:
            time.sleep(0.02)
        before = len(ran.rows())
        adapter = playground.models.adapter(playground.models.spec(model), task="pairs")
        question = [Message("user", "Which drug lowers glucose?")]
        done = asyncio.run(complete(adapter, question, GenerateConfig(max_tokens=4)))
        waited = len(ran.rows()) - before
        run.join(60)
    assert done.usage.output_tokens
    assert waited <= 20, "at most the batch under way and one more"
    assert len(ran.rows()) > before + waited, "the run went on"
