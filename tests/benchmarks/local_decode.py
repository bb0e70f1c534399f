"""How much of plain `generate()` is left in the adapter and in the whole page. By hand:

    python -m tests.benchmarks.local_decode

Makes a Llama of 77 million random weights and measures in one run, in turn, so that a busy machine hurts all alike:
plain generate() in a process of its own, the adapter in another, and a real `playground serve` asked at /compare
through gradio_client. Ratios count, not tokens per second; where others work on the same cores, those of CPU time (of
the whole process, page and database included). Figures seen are in local_decode.md.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from adapters.base import GenerateConfig, Message, complete
from adapters.local.engine import Engine
from adapters.local.loading import from_pretrained, resident_bytes, start_torch
from adapters.local.prompt import Encoder, encode
from adapters.local.spec import read_spec
from adapters.local.weights import find
from adapters.local_transformers import LocalTransformers
from playground.library import read_library
from playground.prompt import build
from playground.requests import own_case

SYSTEM = "Answer."
VISITORS, EACH, CONTEXT, LONG = 8, 64, 2048, 1500  # EACH: tokens of one visitor
TASK, LINE = "nli", "The patient reports chest pain number {}."
Result = dict[str, Any]


def options(folder: Path, quantisation: str) -> Result:
    return {"path": str(folder), "quantisation": quantisation, "context": CONTEXT}


def pasted(number: int) -> Result:
    return {"inputs": {"premise": LINE.format(number), "statement": "It hurts."}, "reference": None}


@lru_cache(maxsize=VISITORS)
def messages(number: int) -> tuple[Message, ...]:
    """What the page makes of a pasted case, so that all three ways read the same prompt."""
    task = read_library(None, imported=lambda task: ()).task(TASK)
    return build(task, own_case(task, pasted(number)), (), shots=0, seed=0).messages


class Speed(NamedTuple):
    """Tokens for a second on the clock, and for a second of CPU time of the process that made them."""

    clock: float
    cpu: float


def measured(work: Callable[[], int], cpu_s: Callable[[], float]) -> Speed:
    start, used = time.perf_counter(), cpu_s()
    tokens = work()
    return Speed(tokens / (time.perf_counter() - start), tokens / max(1e-9, cpu_s() - used))


class Plain:
    """transformers' generate() and nothing else, on this process's main thread."""

    def __init__(self, folder: Path, quantisation: str, tokens: int) -> None:
        self.torch, self.tokens = start_torch(), tokens
        spec = read_spec(str(folder), options(folder, quantisation))
        self.model, _ = from_pretrained(spec, find(spec), "cpu")
        self.ids = self.torch.tensor([encode(Encoder(find(spec).folder), spec, messages(1))])
        self.generate(4)

    def generate(self, tokens: int) -> int:
        ids = self.ids
        with self.torch.inference_mode():
            made = self.model.generate(
                input_ids=ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=tokens, do_sample=False,
                eos_token_id=None, pad_token_id=1,
            )  # fmt: skip
        return made.shape[1] - ids.shape[1]

    def speed(self) -> Speed:
        return measured(lambda: self.generate(self.tokens), time.process_time)

    def size(self) -> Result:
        """Bytes that one token must read: every weight but the embeddings."""
        whole = self.model.get_memory_footprint()
        skipped = self.model.get_input_embeddings().weight.nbytes
        return {"parameters": find_parameters(self.model), "bytes": whole - skipped, "prompt": self.ids.shape[1]}

    def bandwidth(self) -> float:
        """Bytes a second that this thread reads from memory."""
        block = self.torch.ones(1 << 27)  # 512 MB, far more than any cache
        best = 0.0
        for _ in range(5):
            start = time.perf_counter()
            block.sum()
            best = max(best, block.nbytes / (time.perf_counter() - start))
        return best


def find_parameters(model: Any) -> int:
    """As before quantisation: two 4-bit weights lie in one byte."""
    return sum(
        p.numel() * (2 if p.dtype.itemsize == 1 and "4bit" in type(p).__name__ else 1) for p in model.parameters()
    )


class Adapter:
    """The shipped adapter and engine in a process of their own."""

    def __init__(self, folder: Path, quantisation: str, tokens: int) -> None:
        self.tokens, self.empty = tokens, 0
        self.engine = Engine()
        self.make: Callable[[], LocalTransformers] = lambda: LocalTransformers(
            str(folder), read_spec(str(folder), options(folder, quantisation)), self.engine
        )
        self.adapter = self.make()
        asyncio.run(self._ask(0, 4))

    async def _ask(self, number: int, tokens: int, *, short: bool = False) -> int:
        asked = (Message("user", LINE.format(number)),) if short else messages(number)
        done = await complete(self.adapter, asked, GenerateConfig(max_tokens=tokens))
        return done.usage.output_tokens or 0

    def speed(self) -> Speed:
        return measured(lambda: asyncio.run(self._ask(1, self.tokens)), time.process_time)

    def one_after_another(self, short: bool) -> Speed:
        async def ask() -> int:
            return sum([await self._ask(n, EACH, short=short) for n in range(VISITORS)])

        return measured(lambda: asyncio.run(ask()), time.process_time)

    def together(self, short: bool) -> Speed:
        async def ask() -> int:
            return sum(await asyncio.gather(*(self._ask(n, EACH, short=short) for n in range(VISITORS))))

        return measured(lambda: asyncio.run(ask()), time.process_time)

    def stop(self, words: int, wait: float) -> float:
        """Seconds from Stop until the engine is free, `wait` seconds after the prompt went in."""

        async def ask() -> float:
            asked = (Message("system", SYSTEM), Message("user", "pain " * words))
            stream = self.adapter.stream(asked, GenerateConfig(max_tokens=400))
            async for chunk in stream:
                if "Reading" in (chunk.status or ""):
                    break
            await asyncio.sleep(wait)
            assert self.engine.busy, "it had ended before the stop"
            start = time.perf_counter()
            await stream.aclose()
            while self.engine.busy:  # noqa: ASYNC110 - the engine's thread sets no event of this loop
                await asyncio.sleep(0.0005)
            return time.perf_counter() - start

        return asyncio.run(ask())

    def memory(self) -> Result:
        """Bytes in RAM of the process: after an eviction, with the model again, after another."""
        found = []
        for evict in (True, False, True):
            if evict:
                while self.engine.busy:
                    time.sleep(0.01)
                self.engine.evict_all()
            else:
                asyncio.run(self._ask(2, 8))
            found.append(resident_bytes())
        return dict(zip(("empty", "loaded", "evicted"), found, strict=True))


@contextmanager
def process(kind: type, folder: Path, quantisation: str, tokens: int) -> Iterator[Callable[..., Any]]:
    """A `Plain` or `Adapter` in a fresh process: two threads that both ran torch would halve each other's speed."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(kind, folder, quantisation, tokens, theirs), daemon=True)
    worker.start()

    def call(name: str, *args: Any) -> Any:
        mine.send((name, args))
        return mine.recv()

    assert mine.recv() == "ready"
    yield call
    mine.send(None)
    worker.join(20)


def _work(kind: type, folder: Path, quantisation: str, tokens: int, line: Any) -> None:
    made = kind(folder, quantisation, tokens)
    line.send("ready")
    while asked := line.recv():
        name, args = asked
        line.send(getattr(made, name)(*args))


@contextmanager
def page(folder: Path, quantisation: str, tokens: int, data: Path) -> Iterator[Callable[[], Speed]]:
    """A served playground; gives the tokens per second of one /compare as a client on this machine sees it."""
    import psutil
    from gradio_client import Client

    from tests.browser.conftest import serving

    listed = [
        {"model": "local/bench", "label": "Local", "options": options(folder, quantisation)},
        {"model": "fake/echo", "label": "Echo", "options": {"text": "neutral"}},
    ]
    data.mkdir()
    with serving(data, listed, PLAYGROUND_API_OPEN="1") as url:
        client, port = Client(url, verbose=False), url.rpartition(":")[2]
        [server] = [p for p in psutil.Process().children() if port in p.cmdline()]

        def ask(most: int) -> int:
            sides = [{"model": "local/bench"}, {"model": "fake/echo"}]
            asked = {"task": TASK, "own": pasted(1), "sides": sides, "max_tokens": most}
            told = client.predict(asked, api_name="/compare")
            [side] = [s for s in told["sides"] if s["name"] == "Local"]
            assert side["output_tokens"], side
            return side["output_tokens"]

        def cpu_s() -> float:
            times = server.cpu_times()
            return times.user + times.system

        ask(4)  # the model loads
        yield lambda: measured(lambda: ask(tokens), cpu_s)


def rounds(count: int, ways: dict[str, Callable[[], Speed]]) -> dict[str, list[Speed]]:
    """Every way once a round, the order turned each time."""
    seen: dict[str, list[Speed]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(count):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seen[name].append(ways[name]())
    return seen


def compare(folder: Path, quantisation: str, tokens: int, count: int, data: Path) -> None:
    with (
        process(Plain, folder, quantisation, tokens) as plain,
        process(Adapter, folder, quantisation, tokens) as adapter,
        page(folder, quantisation, tokens, data) as whole,
    ):
        seen = rounds(count, {"plain": lambda: plain("speed"), "adapter": lambda: adapter("speed"), "page": whole})
        size, band = plain("size"), plain("bandwidth")
        many = f"{size['parameters'] / 1e6:.0f} million parameters"
        print(f"{quantisation}: {many}, {size['prompt']} tokens read, {tokens} written, {count} rounds")
        for name, values in seen.items():
            pairs = list(zip(values, seen["plain"], strict=True))
            clock = f"{max(v.clock for v in values):6.1f} tokens/s at best"
            cpu = f"{median(v.cpu for v in values):6.1f} per second of CPU time (median)"
            shares = f"{median(a.clock / b.clock for a, b in pairs):.1%}, {median(a.cpu / b.cpu for a, b in pairs):.1%}"
            print(f"  {name:8} {clock}, {cpu}; medians of the rounds against plain: {shares}")
        read = size["bytes"] * max(v.clock for v in seen["plain"])
        print(f"  plain reads {size['bytes'] / 1e6:.0f} MB a token = {read / 1e9:.1f} GB/s, {read / band:.0%} of the "
              f"{band / 1e9:.1f} GB/s that one thread reads from memory")  # fmt: skip
        strain(adapter)


def strain(adapter: Callable[..., Any]) -> None:
    for short in (False, True):  # reading a prompt is bound by arithmetic and gains little from a batch
        seen = [(adapter("one_after_another", short), adapter("together", short)) for _ in range(2)]
        alone, batched = zip(*seen, strict=True)
        for kind in Speed._fields:
            one, many = (max(getattr(speed, kind) for speed in way) for way in (alone, batched))
            told = "one-line" if short else "the same"
            print(f"  {VISITORS} visitors, {told} prompt, {kind}: {one:.1f} tokens/s one "
                  f"after another, {many:.1f} in a batch, {many / one:.1f} times")  # fmt: skip
    # a 1-word prompt is read in a fraction of the second, 400 tokens take several; 1,500 words take longer than 0.2 s
    decode = sorted(adapter("stop", 1, 1.0) for _ in range(7))
    prefill = sorted(adapter("stop", LONG, 0.2) for _ in range(5))
    print(f"  Stop to freed place: decode {1000 * median(decode):.0f} ms (most {1000 * decode[-1]:.0f}), "
          f"{LONG}-word prefill {1000 * median(prefill):.0f} ms (most {1000 * prefill[-1]:.0f})")  # fmt: skip
    memory = {name: value / 1e6 for name, value in adapter("memory").items()}
    print(f"  process in RAM: {memory['empty']:.0f} MB without a model, {memory['loaded']:.0f} MB with it, "
          f"{memory['evicted']:.0f} MB after eviction")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quantisation", nargs="+", default=["nf4"], choices=["nf4", "int8", "none"])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    from tests.local.checkpoint import make

    with tempfile.TemporaryDirectory() as place:
        folder = make(Path(place) / "small", size="small", steps=0, context=CONTEXT)
        threads = max(1, len(os.sched_getaffinity(0)) - 1)
        load = os.getloadavg()[0]
        print(f"Python {platform.python_version()}, {threads} torch thread(s), load before {load:.1f}, no GPU used")
        for quantisation in asked.quantisation:
            compare(folder, quantisation, asked.tokens, asked.rounds, Path(place) / quantisation)
    print(f"load after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
