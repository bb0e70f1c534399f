"""The engine under strain: what shares memory, what waits, what fails, and that nobody is left waiting."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters import local_transformers
from adapters.base import Chunk, GenerateConfig, Message, complete
from adapters.errors import AdapterError, OutOfMemory, Unavailable
from adapters.local import available
from adapters.local import engine as engines
from adapters.local.engine import Engine
from adapters.local.job import Job
from adapters.local.spec import read_spec
from adapters.local_transformers import LocalTransformers
from tests.local.checkpoint import ANSWERS, SYSTEM
from tests.local.conftest import adapter_for, spec_of, until

CONFIG = GenerateConfig(max_tokens=100)
QUESTIONS = list(ANSWERS)
LONG = "Count to thirty."


def ask(question: str) -> tuple[Message, ...]:
    return (Message("system", SYSTEM), Message("user", question))


@contextmanager
def before_each_layer(engine: Engine, act: Callable[[], object]) -> Iterator[None]:
    """Do something in the middle of the resident model's forward pass."""

    def hook(module: object, inputs: object) -> None:
        act()

    handle = engine.resident()[0].model.model.layers[0].register_forward_pre_hook(hook)
    yield
    handle.remove()


async def ready(adapter: LocalTransformers, engine: Engine) -> None:
    """Have the model in memory and the engine at rest."""
    await complete(adapter, ask(QUESTIONS[3]), GenerateConfig(max_tokens=1))
    await until(lambda: not engine.busy)


async def test_what_cannot_be_loaded_sends_no_other_model_away(nano: Path, copy: Path, engine: Engine) -> None:
    await ready(adapter_for(nano, engine), engine)
    kept = engine.resident()[0].model
    adapter = adapter_for(copy, engine)
    (copy / "model.safetensors").unlink()
    with pytest.raises(Unavailable, match="no weights"):
        await complete(adapter, ask("x"), CONFIG)
    assert engine.resident()[0].model is kept


async def test_a_model_in_memory_stays_available_when_no_more_memory_is_free(
    nano: Path, copy: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"quantisation": "none", "context": 400}
    monkeypatch.setattr(local_transformers, "engine", lambda: engine)
    await ready(adapter_for(nano, engine), engine)
    monkeypatch.setattr(available, "memory_available", lambda: 0)
    assert local_transformers.unavailable(str(nano), options) is None
    assert "are free" in (local_transformers.unavailable(str(copy), options) or "")
    engine.resident()[0].held = 1 << 30  # what goes for another model counts as free
    assert local_transformers.unavailable(str(copy), options) is None


async def test_the_least_recently_used_of_two_residents_goes(nano: Path, copy: Path, tmp_path: Path) -> None:
    engine = Engine(residents=2)
    third = tmp_path / "third"
    third.symlink_to(nano)
    first, second = adapter_for(nano, engine), adapter_for(copy, engine)
    for adapter in (first, second, first, adapter_for(third, engine)):
        await ready(adapter, engine)
    assert [Path(loaded.spec.name).name for loaded in engine.resident()] == ["nano", "third"]
    engine.close()


async def test_rows_that_only_together_are_too_big_run_one_by_one(nano: Path, engine: Engine) -> None:
    import torch

    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)

    def grab(module: Any, inputs: Any) -> None:
        if inputs[0].shape[0] > 1:
            torch.empty(1 << 50)

    handle = engine.resident()[0].model.model.layers[0].register_forward_pre_hook(grab)
    answers = await asyncio.gather(*(complete(adapter, ask(q), CONFIG) for q in QUESTIONS))
    handle.remove()
    assert [a.text for a in answers] == list(ANSWERS.values())
    assert {a.parameters["batch_size"] for a in answers} == {1}


async def test_out_of_memory_halfway_ends_the_rows_that_have_begun(nano: Path, engine: Engine) -> None:
    import torch

    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)
    steps = iter(range(1000))
    with before_each_layer(engine, lambda: torch.empty(1 << 50) if next(steps) > 5 else None):
        both = (complete(adapter, ask(LONG), CONFIG) for _ in range(2))
        failed = await asyncio.gather(*both, return_exceptions=True)
    assert [type(f) for f in failed] == [OutOfMemory, OutOfMemory]
    assert failed[0] is not failed[1]
    assert (await complete(adapter, ask(LONG), CONFIG)).text == ANSWERS[LONG]


async def test_a_failed_generation_may_be_tried_again_and_keeps_no_frames(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)

    def fail() -> None:
        raise ZeroDivisionError("planted")

    with before_each_layer(engine, fail):
        started = time.monotonic()
        with pytest.raises(AdapterError, match="ZeroDivisionError: planted") as caught:
            await complete(adapter, ask(LONG), CONFIG)
    assert time.monotonic() - started < 0.5
    assert caught.value.kind == "failed"
    assert not caught.value.fatal
    assert caught.value.__cause__ is None


async def test_a_stop_ends_a_decode_within_a_token(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)
    forwards: list[float] = []
    with before_each_layer(engine, lambda: forwards.append(time.monotonic()) or time.sleep(0.02)):
        stream = adapter.stream(ask(LONG), CONFIG)
        while not (await anext(stream)).text:
            pass
        await stream.aclose()
        begun = len(forwards)
        await until(lambda: not engine.busy)
        assert len(forwards) - begun <= 1


async def test_a_long_line_or_prompt_gives_signs_of_life_and_a_hung_engine_does_not(
    nano: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_transformers, "SIGN", 0.05)
    monkeypatch.setattr(local_transformers, "STUCK", 0.4)
    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)
    gate = threading.Event()
    seen: list[Chunk] = []

    async def wait() -> None:
        async for chunk in adapter.stream(ask(QUESTIONS[1]), CONFIG):
            seen.append(chunk)

    with before_each_layer(engine, lambda: gate.wait(10)):
        running = asyncio.create_task(complete(adapter, ask(LONG), CONFIG))
        await until(lambda: engine.busy)
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.3)
        early = sum(c.status == "Waiting for the local model, 1 ahead" for c in seen)
        assert early > 2
        await asyncio.sleep(0.4)
        quiet = len(seen)
        await asyncio.sleep(0.4)
        assert len(seen) == quiet
        gate.set()
        await asyncio.gather(running, waiting)


async def test_closing_the_engine_leaves_nobody_waiting(nano: Path) -> None:
    engine = Engine(rows=1)
    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)
    gate = threading.Event()
    with before_each_layer(engine, lambda: gate.wait(10)):
        asked = [asyncio.create_task(complete(adapter, ask(q), CONFIG)) for q in QUESTIONS[:3]]
        await until(lambda: engine.busy and len(engine._queue) == 2)
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
        found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
        gate.set()
        await closing
    assert [type(f) for f in found] == [Unavailable] * 3
    with pytest.raises(Unavailable, match="shut down"):
        await complete(adapter, ask("x"), CONFIG)


async def test_jobs_that_are_taken_while_their_asker_leaves_are_dropped(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    await ready(adapter, engine)
    streams = [adapter.stream(ask(LONG), CONFIG) for _ in range(5)]
    for stream in streams:
        await anext(stream)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0.1)
    await until(lambda: not engine.busy)
    assert (await complete(adapter, ask(LONG), CONFIG)).text == ANSWERS[LONG]


async def test_samples_without_a_seed_differ_and_a_top_p_of_zero_is_greedy(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    warm = GenerateConfig(max_tokens=30, temperature=5.0)
    texts = [(await complete(adapter, ask("The nurse"), warm)).text for _ in range(3)]
    assert len(set(texts)) == 3
    narrow = GenerateConfig(max_tokens=30, temperature=1.5, top_p=0.0)
    greedy = await complete(adapter, ask("The nurse"), GenerateConfig(max_tokens=30))
    assert (await complete(adapter, ask("The nurse"), narrow)).text == greedy.text


async def test_settings_that_came_with_the_weights_change_no_answer(copy: Path, engine: Engine) -> None:
    path = copy / "generation_config.json"
    with_penalty = {**json.loads(path.read_text()), "repetition_penalty": 5.0, "do_sample": True, "temperature": 2.0}
    path.write_text(json.dumps(with_penalty))
    assert (await complete(adapter_for(copy, engine), ask(LONG), CONFIG)).text == ANSWERS[LONG]


async def test_an_answer_ends_before_a_text_that_ends_it(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    for end, text in ((" 7 8", "1 2 3 4 5 6"), ("7 9", ANSWERS[LONG]), ("30", ANSWERS[LONG].removesuffix("30"))):
        done = await complete(adapter, ask(LONG), GenerateConfig(max_tokens=100, stop=(end, "never")))
        assert (done.text, done.stop_reason) == (text, "stop")


async def test_everything_that_a_repetition_needs_is_written_down(nano: Path, engine: Engine) -> None:
    config = GenerateConfig(max_tokens=9, temperature=0.5, top_p=0.9, seed=4)
    used = dict((await complete(adapter_for(nano, engine, quantisation="nf4"), ask(LONG), config)).parameters)
    expected = {
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 4, "greedy": False, "quantisation": "nf4",
        "dtype": "bfloat16", "device": "cpu", "revision": "main", "commit": None, "batch_size": 1, "context": 400,
        "reference_prompt": False, "stop": [],
    }  # fmt: skip
    assert expected.items() <= used.items()
    assert len(used["weights_sha256"]) == 64
    assert "bitsandbytes 0." in used["software"]


def test_a_context_beyond_the_model_s_own_is_cut_to_it(nano: Path, engine: Engine) -> None:
    adapter = LocalTransformers(str(nano), spec_of(nano, context=4096), engine)
    with pytest.raises(AdapterError, match="left of 512"):
        adapter.check(ask("pain " * 600), CONFIG)
    with pytest.raises(AdapterError, match="fewer than 512 tokens"):
        adapter.check(ask("pain"), GenerateConfig(max_tokens=600))


async def test_rows_with_other_stop_tokens_are_not_batched(nano: Path) -> None:
    plain, also = (spec_of(nano, stop=stop) for stop in ((), ("<|begin_of_text|>",)))
    assert plain.key == also.key  # one model in memory
    engine = Engine()
    pair = [LocalTransformers(str(nano), spec, engine) for spec in (plain, also)]
    answers = await asyncio.gather(*(complete(a, ask(LONG), CONFIG) for a in pair))
    assert [a.parameters["batch_size"] for a in answers] == [1, 1]
    assert len(engine.resident()) == 1
    engine.close()


def test_only_whole_numbers_above_zero_set_the_residents(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, most in (("3", 3), ("0", 1), ("many", 1)):
        monkeypatch.setenv("PLAYGROUND_LOCAL_RESIDENT", text)
        assert engines.residents_setting() == most


async def test_a_hosted_gpu_is_counted_on_whoever_asked(nano: Path, engine: Engine) -> None:
    import contextvars

    visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor")
    jobs: list[Job] = []

    class Noting(Engine):
        def submit(self, job: Job) -> None:
            jobs.append(job)
            super().submit(job)

    noting = Noting()
    visitor.set("ada")
    await complete(
        LocalTransformers(str(nano), read_spec(str(nano), {"quantisation": "none"}), noting), ask("x"), CONFIG
    )
    noting.close()
    assert jobs[0].context[visitor] == "ada"
