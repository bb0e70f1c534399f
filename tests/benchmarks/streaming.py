"""What the page adds to a direct client, both in the same run. By hand: python tests/benchmarks/streaming.py

A real `playground serve`, a model server (streaming_server.py) and visitors that speak Gradio's queue protocol,
all on this machine. Every visitor pastes a case of their own, which four models repeat word by word, so that an answer
that lands on the wrong page is seen. The pages are open before anybody clicks. Two direct clients stream the same
beside them. Figures seen are in streaming.md.
"""

import argparse
import asyncio
import html
import json
import os
import random
import re
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import yaml

ROOT = Path(__file__).parents[2]
MODELS = ("one", "two", "three", "four")
Pids = tuple[int, int, int]  # of app, model server, this driver
WORDS, RATE = 240, 50.0  # of one answer; per second


@dataclass
class Seen:
    """What one visitor saw. Times in seconds since the click."""

    start: float = field(default_factory=time.monotonic)
    first: dict[int, float] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    total: float = 0.0
    error: str = ""

    def show(self, side: int, text: str) -> None:
        if text:
            self.first.setdefault(side, time.monotonic() - self.start)
            self.texts[side] = text


def words_of(visitor: str) -> str:
    return " ".join(f"{visitor}-{n}" for n in range(WORDS))


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    rest = b""
    async for block in response.content.iter_any():
        *lines, rest = (rest + block).split(b"\n\n")
        for line in lines:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])


def patched(value: Any, edits: list[list[Any]]) -> Any:
    """Gradio sends the difference to the last value: [[operation, path, new], ...]."""
    for operation, path, new in edits:
        if not path:
            value = new if operation == "replace" else value + new
            continue
        at = value
        for key in path[:-1]:
            at = at[key]
        if operation == "append":
            at[path[-1]] += new
        elif operation == "add" and isinstance(at, list):
            at.insert(path[-1], new)
        elif operation == "delete":
            del at[path[-1]]
        else:
            at[path[-1]] = new
    return value


@dataclass(frozen=True)
class Page:
    """The Run event of the Compare page, read off its config: its number, and what its inputs are."""

    number: int
    load: int  # the event of opening the page
    inputs: tuple[str, ...]

    def data(self, text: str) -> list[Any]:
        values: dict[str, Any] = {
            "pick": {"task": "nli", "case": "own"},
            "models": [{"model": f"compatible/{name}", "temperature": None} for name in MODELS],
            "cp-own-on": True, "cp-own-0": text, "cp-own-1": "He is well.", "cp-own-2": "", "cp-own-reference": "",
            "cp-blind": False, "Temperature": 0, "Most tokens": 0, "Seed": 0, "cp-shots": "0",
        }  # fmt: skip
        return [values[name] for name in self.inputs]


def read_page(config: dict[str, Any]) -> Page:
    components = {c["id"]: c for c in config["components"]}
    button = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "cp-run")
    event = next(d for d in config["dependencies"] if [button, "click"] in d["targets"] and len(d["inputs"]) > 5)
    own, names = iter(("pick", "models")), []
    for number in event["inputs"]:
        component = components[number]
        given = component["props"]
        names.append(next(own) if component["type"] == "html" else given.get("elem_id") or given["label"])
    load = next(d for d in config["dependencies"] if any(t[1] == "load" for t in d["targets"]) and d["outputs"])
    return Page(event["id"], load["id"], tuple(names))


async def opened(url: str) -> aiohttp.ClientSession:
    """A visitor with its cookie."""
    client = aiohttp.ClientSession(headers={"Origin": url}, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with client.get(f"{url}/") as page:
        await page.read()
    return client


async def loaded(url: str, page: Page) -> tuple[aiohttp.ClientSession, str]:
    """A visitor whose page has loaded as a browser does it, so that Gradio knows the session."""
    client, session = await opened(url), "".join(random.choices(string.ascii_lowercase, k=11))
    body = {"data": [], "fn_index": page.load, "session_hash": session}
    async with client.post(f"{url}/gradio_api/run/predict", json=body) as answer:
        answer.raise_for_status()
        await answer.read()
    return client, session


async def visit(client: aiohttp.ClientSession, session: str, url: str, page: Page, name: str) -> Seen:
    """Press Run and watch to the end."""
    seen, value = Seen(), None
    body = {"data": page.data(words_of(name)), "fn_index": page.number, "session_hash": session}
    async with client.post(f"{url}/gradio_api/queue/join", json=body) as joined:
        joined.raise_for_status()
    async with client.get(f"{url}/gradio_api/queue/data", params={"session_hash": session}) as stream:
        async for message in events(stream):
            if message["msg"] in ("process_generating", "process_completed"):
                if not message["success"]:
                    seen.error = str(message["output"])
                    break
                data = message["output"]["data"]
                if data:
                    whole = value is None or message["msg"] == "process_completed"
                    value = data[0] if whole else patched(value, data[0])
                    for side, drawn in enumerate(value["sides"]):
                        seen.show(side, drawn["html"] or drawn["text"])
            elif message["msg"] in ("close_stream", "unexpected_error"):
                break
    seen.total = time.monotonic() - seen.start
    return seen


async def ask_directly(url: str, name: str) -> Seen:
    """The same four streams without the page."""
    seen = Seen()

    async def one(client: aiohttp.ClientSession, side: int) -> None:
        text = f"Sentence1: {words_of(name)}\n\nSentence2: He is well."
        body = {"model": MODELS[side], "stream": True, "messages": [{"role": "user", "content": text}]}
        async with client.post(f"{url}/v1/chat/completions", json=body) as response:
            async for event in events(response):
                for choice in event.get("choices", ()):
                    seen.show(side, seen.texts.get(side, "") + (choice["delta"].get("content") or ""))

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(one(client, side) for side in range(len(MODELS))))
    seen.total = time.monotonic() - seen.start
    return seen


def wrong_texts(seen: Seen, name: str) -> int:
    """Answers that are not word for word what this visitor's models said."""
    right = f"Sentence1: {words_of(name)} Sentence2: He is well.".split()
    shown = [html.unescape(re.sub(r"<[^>]+>", " ", text)).split() for text in seen.texts.values()]
    return sum(words != right for words in shown) + len(MODELS) - len(shown)


async def measure(url: str, provider: str, page: Page, visitors: int, spread: float, pids: Pids) -> dict[str, Any]:
    clients = [await loaded(url, page) for _ in range(visitors)]

    async def later(number: int) -> Seen:
        await asyncio.sleep(spread * number / visitors)
        client, session = clients[number]
        async with client:
            return await visit(client, session, url, page, f"v{number}")

    before = [cpu_seconds(pid) for pid in pids]
    direct, seen = await asyncio.gather(
        asyncio.gather(*(ask_directly(provider, f"d{n}") for n in range(2))),
        asyncio.gather(*(later(n) for n in range(visitors))),
    )
    first = median(t for s in direct for t in s.first.values())
    total = median(s.total for s in direct)
    firsts = [t - first for s in seen for t in s.first.values()]
    ends = [s.total - total for s in seen]
    return {
        "visitors": visitors, "spread": spread, "direct_end": total, "first": median(firsts), "end": median(ends),
        "first_95": _high(firsts), "end_95": _high(ends), "median_total": median(s.total for s in seen),
        "wrong": sum(wrong_texts(s, f"v{n}") for n, s in enumerate(seen)),
        "errors": sorted({s.error for s in seen if s.error}),
        "cpu": [cpu_seconds(pid) - b for pid, b in zip(pids, before, strict=True)],
    }  # fmt: skip


def _high(values: list[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def provider() -> Iterator[tuple[str, int]]:
    """The model server in a process of its own, at RATE words a second; gives its address and process id."""
    command = [sys.executable, str(ROOT / "tests/benchmarks/streaming_server.py"), "--rate", str(RATE)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def served(model_server: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The playground in a process of its own; gives its address and process id."""
    listed = [
        {"model": f"compatible/{name}", "label": name.title(), "options": {"base_url": f"{model_server}/v1"}}
        for name in MODELS
    ]
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": listed}))
    port = free_port()
    settings = {"PLAYGROUND_DATA": str(folder), "PLAYGROUND_MODELS": str(folder / "models.yaml")}
    command = [sys.executable, "-m", "playground", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(20)


async def run(plans: list[tuple[int, float]], url: str, model_server: str, pids: Pids) -> list[dict[str, Any]]:
    async with await opened(url) as client, client.get(f"{url}/config") as answer:
        page = read_page(await answer.json())
    found = []
    for visitors, spread in plans:
        found.append(await measure(url, model_server, page, visitors, spread, pids))
        print(row(found[-1]), flush=True)
        await asyncio.sleep(1)
    return found


def row(r: dict[str, Any]) -> str:
    cells = (
        f"{r['visitors']}" + (f" over {r['spread']:g} s" if r["spread"] else ""), f"{r['direct_end']:.2f} s",
        f"{r['first']:.3f} / {r['end']:.3f} s", f"{r['first_95']:.2f} / {r['end_95']:.2f} s",
        " / ".join(f"{seconds:.1f}" for seconds in r["cpu"]) + " s", str(r["wrong"]), ", ".join(r["errors"]) or "none",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", default="1,1,10,100:5", help="visitors[:seconds over which they click], with commas")
    plans = [(int(n), float(s or 0)) for n, _, s in (p.partition(":") for p in parser.parse_args().plans.split(","))]
    heads = ("visitors", "direct client", "added: first / end", "95th percentile", "CPU: app / server / driver")
    print(f"| {' | '.join(heads)} | wrong texts | errors |")
    print("|---|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        provider() as (model_server, server_pid),
        served(model_server, Path(folder)) as (url, pid),
    ):
        found = asyncio.run(run(plans, url, model_server, (pid, server_pid, os.getpid())))
    one = min(r["median_total"] for r in found if r["visitors"] == 1) if any(r["visitors"] == 1 for r in found) else 0
    for r in found:
        if one and 1 < r["visitors"] <= 10:
            print(f"{r['visitors']} visitors take {r['median_total'] / one:.2f} times one visitor's time")


if __name__ == "__main__":
    main()
