"""What a process does besides: what it imports and when, what it prints, whom it talks to."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEGIN = """
import asyncio, json, sys
from pathlib import Path
from adapters.base import GenerateConfig, Message, complete
from adapters.local.engine import Engine
from tests.local.conftest import adapter_for
folder = Path(sys.argv[1])
ask = (Message("system", "Answer as briefly as you can."), Message("user", "Show two faces."))
config = GenerateConfig(max_tokens=40)
"""
COUNT = """
adapter_for(folder, Engine()).check(ask, config)
heavy = [m for m in ("torch", "transformers", "bitsandbytes", "accelerate") if m in sys.modules]
print(heavy, "tokenizers" in sys.modules)
"""
TALK = """
import gradio  # as in the served page: it has imported the hub's client before
met = []
sys.addaudithook(lambda event, args: met.append(args[1]) if event in ("socket.connect", "socket.getaddrinfo") else None)
engine = Engine()
answer = asyncio.run(complete(adapter_for(folder, engine, quantisation="nf4"), ask, config))
engine.close()
print(answer.text, met)
"""
QUIET = """
for quantisation in ("none", "nf4", "int8"):
    engine = Engine()
    asyncio.run(complete(adapter_for(folder, engine, quantisation=quantisation), ask, config))
    engine.close()
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGIN + code, str(folder)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr[-3000:]
    return found


def test_counting_tokens_needs_the_tokenizers_alone(nano: Path) -> None:
    assert run(COUNT, nano).stdout.strip() == "[] True"


def test_no_text_leaves_the_house(nano: Path) -> None:
    assert run(TALK, nano).stdout.strip() == "Here: 😷 and 👩‍⚕️. []"


def test_libraries_that_have_nothing_to_say_are_silent(nano: Path) -> None:
    found = run(QUIET, nano)
    assert (found.stdout, found.stderr) == ("", "")


@pytest.mark.parametrize("name", ["Henrychur/MMedS-Llama-3-8B", "nobody/nothing"])
def test_asking_for_weights_that_are_not_here_talks_to_nobody(nano: Path, name: str) -> None:
    code = (
        "met = []; sys.addaudithook(lambda event, args: met.append(args) if event.startswith('socket.') else None)\n"
        "from adapters.local_transformers import unavailable\n"
        f"print(met, unavailable('{name}', {{'quantisation': 'none'}}))"
    )
    assert run(code, nano).stdout.strip().endswith(f"Type: playground local pull {name}")
    assert run(code, nano).stdout.startswith("[] ")
