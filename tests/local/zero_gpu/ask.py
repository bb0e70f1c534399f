"""Run by test_zero.py in a process of its own, with the `spaces` of this folder on its path. Prints JSON."""

import asyncio
import json
import os
import sys
from pathlib import Path

import spaces

from adapters.base import GenerateConfig, Message, complete
from adapters.errors import AdapterError
from adapters.local.engine import Engine
from adapters.local_transformers import LocalTransformers
from tests.local.checkpoint import ANSWERS, SYSTEM
from tests.local.conftest import spec_of

CONFIG = GenerateConfig(max_tokens=100)


def ask(question: str) -> tuple[Message, ...]:
    return (Message("system", SYSTEM), Message("user", question))


async def main(folder: Path, endless: Path, damaged: Path) -> dict[str, object]:
    engine = Engine()
    adapter = LocalTransformers(str(folder), spec_of(folder, device="cpu"), engine)
    answers = await asyncio.gather(*(complete(adapter, ask(q), CONFIG) for q in ANSWERS))
    never = LocalTransformers(str(endless), spec_of(endless, device="cpu", context=4096), engine)
    stream = never.stream(ask("Go on."), GenerateConfig(max_tokens=3000))
    while not (await anext(stream)).text:
        pass
    await stream.aclose()
    after = await complete(adapter, ask("Show two faces."), CONFIG)
    try:
        await complete(LocalTransformers(str(damaged), spec_of(damaged, device="cpu"), engine), ask("x"), CONFIG)
        failure = ""
    except AdapterError as error:
        failure = f"{type(error).__name__}: {error}"
    again = await complete(adapter, ask("Show two faces."), CONFIG)
    engine.close()
    return {
        "texts": [a.text for a in answers],
        "batch": answers[0].parameters["batch_size"],
        "after": after.text,
        "failure": failure,
        "again": again.text,
        "workers": spaces.workers,
        "seconds": spaces.calls,
        "values": spaces.values,
        "here": os.getpid(),
        "torch": "torch" in sys.modules,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*map(Path, sys.argv[1:])))))
