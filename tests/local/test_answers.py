"""The real path: load, batch, stream, stop; on a tiny checkpoint that the session makes."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from adapters.base import Chunk, GenerateConfig, Message, complete
from adapters.errors import PromptTooLong, RateLimited
from adapters.local.engine import Engine
from adapters.local_transformers import LocalTransformers
from tests.local.checkpoint import ANSWERS, SYSTEM
from tests.local.conftest import adapter_for, until

CONFIG = GenerateConfig(max_tokens=100)


def ask(question: str) -> tuple[Message, ...]:
    return (Message("system", SYSTEM), Message("user", question))


async def chunks_of(adapter: LocalTransformers, question: str, config: GenerateConfig = CONFIG) -> list[Chunk]:
    return [chunk async for chunk in adapter.stream(ask(question), config)]


@pytest.mark.parametrize("quantisation", ["none", "nf4", "int8"])
async def test_answers_are_exact_in_every_script(nano: Path, engine: Engine, quantisation: str) -> None:
    adapter = adapter_for(nano, engine, quantisation=quantisation)
    for question, answer in ANSWERS.items():
        done = await complete(adapter, ask(question), CONFIG)
        assert (done.text, done.stop_reason) == (answer, "stop")
        assert done.parameters["quantisation"] == quantisation


@pytest.mark.parametrize(("quantisation", "layer"), [("nf4", "Linear4bit"), ("int8", "Linear8bitLt")])
async def test_layers_are_really_quantised(nano: Path, engine: Engine, quantisation: str, layer: str) -> None:
    adapter = adapter_for(nano, engine, quantisation=quantisation)
    await complete(adapter, ask("Show two faces."), CONFIG)
    model = engine.resident()[0].model
    assert type(model.model.layers[0].self_attn.q_proj).__name__ == layer
    assert type(model.lm_head).__name__ == "Linear"


async def test_no_character_is_ever_cut(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    for question, answer in ANSWERS.items():
        pieces = [c.text for c in await chunks_of(adapter, question) if c.text]
        assert "".join(pieces) == answer
        assert not any("\ufffd" in piece for piece in pieces)


async def test_requests_that_wait_together_run_as_one_batch(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    answers = await asyncio.gather(*(complete(adapter, ask(q), CONFIG) for q in ANSWERS))
    assert [a.text for a in answers] == list(ANSWERS.values())
    assert {a.parameters["batch_size"] for a in answers} == {len(ANSWERS)}


async def test_counts_are_exact_and_stop_counts_as_a_token(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    done = await complete(adapter, ask("In Russian: short of breath."), CONFIG)
    encoder = adapter._encoder
    assert done.usage.output_tokens == len(encoder.text("Одышка.")) + 1
    headers = "<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>"
    text = "<|begin_of_text|>" + headers.format("system", SYSTEM)
    text += headers.format("user", "In Russian: short of breath.")
    text += "<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert done.usage.input_tokens == len(encoder.commands.encode(text, add_special_tokens=False).ids)


async def test_length_ends_one_row_and_not_the_others(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    short, whole = await asyncio.gather(
        complete(adapter, ask("Count to thirty."), GenerateConfig(max_tokens=3)),
        complete(adapter, ask("Count to thirty."), CONFIG),
    )
    assert (short.stop_reason, short.usage.output_tokens) == ("length", 3)
    assert (whole.stop_reason, whole.text) == ("stop", ANSWERS["Count to thirty."])


async def test_one_row_of_a_batch_can_be_stopped(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)

    async def stopped() -> str:
        stream = adapter.stream(ask("Count to thirty."), CONFIG)
        async for chunk in stream:
            if chunk.text:
                await stream.aclose()
                return chunk.text
        return ""

    first, other = await asyncio.gather(stopped(), complete(adapter, ask("Count to thirty."), CONFIG))
    assert first == "1"
    assert other.text == ANSWERS["Count to thirty."]


async def test_after_a_stop_the_model_answers_as_before(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    stream = adapter.stream(ask("Count to thirty."), CONFIG)
    while not (await anext(stream)).text:
        pass
    await stream.aclose()
    started = time.monotonic()
    done = await complete(adapter, ask("Show two faces."), CONFIG)
    assert done.text == ANSWERS["Show two faces."]
    assert time.monotonic() - started < 2


async def test_stop_ends_a_long_prefill_within_a_second(small: Path, engine: Engine) -> None:
    adapter = adapter_for(small, engine, context=2048)
    await complete(adapter, ask("Show two faces."), GenerateConfig(max_tokens=1))
    stream = adapter.stream(ask("pain " * 1500), CONFIG)
    while "Reading" not in ((await anext(stream)).status or ""):
        pass
    await asyncio.sleep(0.2)
    await stream.aclose()
    started = time.monotonic()
    await complete(adapter, ask("Show two faces."), GenerateConfig(max_tokens=1))
    assert time.monotonic() - started < 1


async def test_a_full_queue_refuses_with_a_clear_text(nano: Path) -> None:
    engine = Engine(waiting=2)
    adapter = adapter_for(nano, engine)
    await complete(adapter, ask("Show two faces."), CONFIG)
    await until(lambda: not engine.busy)
    gate = threading.Event()
    held = engine.resident()[0].model.model.layers[0].register_forward_pre_hook(lambda *_: gate.wait(20) and None)
    running = asyncio.create_task(complete(adapter, ask("Show two faces."), CONFIG))
    await until(lambda: engine.busy)
    waiting = [asyncio.create_task(complete(adapter, ask(q), CONFIG)) for q in list(ANSWERS)[:3]]
    with pytest.raises(RateLimited, match="busy: 2 requests are waiting"):
        await waiting[2]
    gate.set()
    held.remove()
    done = await asyncio.gather(running, *waiting[:2])
    assert [d.text for d in done[1:]] == list(ANSWERS.values())[:2]
    engine.close()


async def test_whoever_waits_is_told_how_many_are_ahead(nano: Path) -> None:
    engine = Engine(rows=1)
    adapter = adapter_for(nano, engine)
    every = await asyncio.gather(*(chunks_of(adapter, q) for q in list(ANSWERS)[:3]))
    assert any("2 ahead" in (c.status or "") for c in every[2])
    engine.close()


async def test_a_seed_repeats_a_sample_and_leaves_the_global_state_alone(nano: Path, engine: Engine) -> None:
    import torch

    adapter = adapter_for(nano, engine)
    warm = GenerateConfig(max_tokens=30, temperature=1.5, seed=7)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    texts = [(await complete(adapter, ask("The nurse"), warm)).text for _ in range(2)]
    other = await complete(adapter, ask("The nurse"), GenerateConfig(max_tokens=30, temperature=1.5, seed=8))
    assert texts[0] == texts[1] != other.text
    await until(lambda: not engine.busy)  # the answer is whole a moment before the engine has tidied up
    assert torch.equal(before, torch.random.get_rng_state())


async def test_temperature_zero_is_greedy(nano: Path, engine: Engine) -> None:
    done = await complete(adapter_for(nano, engine), ask("Show two faces."), GenerateConfig(max_tokens=50, seed=3))
    assert done.parameters["greedy"] is True
    assert done.parameters["seed"] is None


async def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(nano: Path, engine: Engine) -> None:
    adapter = adapter_for(nano, engine)
    with pytest.raises(PromptTooLong) as caught:
        await complete(adapter, ask("pain " * 500), CONFIG)
    assert caught.value.need is not None
    assert caught.value.need > 300 == caught.value.have
    with pytest.raises(PromptTooLong):
        adapter.check(ask("pain " * 500), CONFIG)


async def test_two_models_run_one_after_the_other_and_the_older_one_goes(
    nano: Path, copy: Path, engine: Engine
) -> None:
    first, second = adapter_for(nano, engine), adapter_for(copy, engine)
    answers = await asyncio.gather(*(complete(a, ask("Show two faces."), CONFIG) for a in (first, second, first)))
    assert {a.text for a in answers} == {ANSWERS["Show two faces."]}
    assert len(engine.resident()) == 1
