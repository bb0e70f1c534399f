"""What the README promises: its links, commands, settings, front matter and its program, run as it stands there."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
import yaml

from playground.batch.plan import Plan
from playground.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "playground/README.md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every `playground ...` line of the shell blocks, in words."""
    joined = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in joined.splitlines()]
    found = [shlex.split(line.rpartition("&&")[2]) for line in lines if re.search(r"\bplayground \w", line)]
    return [words[1:] for words in found if Path(words[0]).name == "playground"]


def test_the_first_screen_holds_exactly_two_one_liners() -> None:
    first = README[: README.index("## ")]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", first, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 2
    assert all(line.startswith("python3 -m venv .venv && ") for line in lines)
    assert lines[0].endswith("playground serve")
    assert lines[1].endswith("pytest")


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert not [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_exists(words: list[str]) -> None:
    command: click.Command = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"playground has no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert not [word for word in rest if word.startswith("--") and word not in known]


def test_the_table_of_settings_is_whole() -> None:
    told = set(re.findall(r"PLAYGROUND_[A-Z_]+", README))
    sources = [p for d in ("playground", "adapters") for p in (ROOT / d).rglob("*.py")]
    read = {v for p in sources for v in re.findall(r'"(PLAYGROUND_[A-Z_]+)"', p.read_text(encoding="utf-8"))}
    assert told == read


def test_the_plan_and_the_front_matter_can_be_read() -> None:
    plan, front = blocks("yaml")
    assert Plan.model_validate(yaml.safe_load(plan)).tasks == ("nli", "diagnosis")
    space = yaml.safe_load(front.strip().strip("-"))
    assert (ROOT / space["app_file"]).is_file()
    assert space["sdk"] == "gradio"


def test_a_space_installs_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The shipped tasks and models, open for programs."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = {**os.environ, "PLAYGROUND_DATA": str(tmp_path), "PLAYGROUND_API_OPEN": "1"}
    command = [sys.executable, "-m", "playground", "serve", "--port", str(port)]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def test_the_program_runs_as_it_stands_and_its_rating_is_exported(server: str, tmp_path: Path) -> None:
    (program,) = blocks("python")
    told = f"{program.replace('http://127.0.0.1:7860', server)}\nprint(run['sides'][0]['state'])\n"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    environment = {**os.environ, "PLAYGROUND_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "playground", "export", str(tmp_path / "out")]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    rows = (tmp_path / "out" / "ratings.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2, rows
