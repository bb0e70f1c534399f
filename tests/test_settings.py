"""Settings: what each variable means, and that a bad value is one plain line with exit code 2 in every start."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from playground.errors import BadInput
from playground.settings import PACKAGE, Settings, from_environment

ROOT = Path(__file__).parents[1]
APP, TASKS = ["app.py"], ["-m", "playground", "tasks"]


def read(folder: Path, **variables: str) -> Settings:
    return from_environment({"PLAYGROUND_DATA": str(folder / "data"), **variables})


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    names = (
        "DATABASE_URL", "MODELS", "LIBRARY", "HOST", "PORT", "ROOT_PATH", "HOSTS", "SECRET", "API_OPEN", "MAX_RUNNING",
        "MAX_WAITING", "FIRST_TOKEN_LIMIT", "STALL_LIMIT",
    )  # fmt: skip
    found = read(tmp_path, **{f"PLAYGROUND_{name}": " " for name in names})
    assert found == read(tmp_path)
    assert (found.host, found.port, found.models) == ("127.0.0.1", 7860, PACKAGE / "models.yaml")


def test_every_variable_is_read(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models: []")
    found = read(
        tmp_path,
        PLAYGROUND_DATABASE_URL="postgres://u:p@db/ratings",
        PLAYGROUND_MODELS=str(tmp_path / "models.yaml"),
        PLAYGROUND_LIBRARY=str(tmp_path),
        PLAYGROUND_HOST="0.0.0.0",
        PLAYGROUND_PORT="8080",
        PLAYGROUND_ROOT_PATH="https://ward.example.org/play/",
        PLAYGROUND_HOSTS="Ward.example.org, 10.0.0.7:8080",
        PLAYGROUND_SECRET="0123456789abcdef",
        PLAYGROUND_API_OPEN="Yes",
        PLAYGROUND_MAX_RUNNING="3",
        PLAYGROUND_MAX_WAITING="4",
        PLAYGROUND_FIRST_TOKEN_LIMIT="1.5",
        PLAYGROUND_STALL_LIMIT="2",
        SPACE_HOST="me-play.hf.space",
        SYSTEM="spaces",
    )
    assert found == Settings(
        data=tmp_path / "data", database_url="postgresql+psycopg://u:p@db/ratings", models=tmp_path / "models.yaml",
        library=tmp_path, host="0.0.0.0", port=8080, root_path="https://ward.example.org/play",
        hosts=("ward.example.org", "10.0.0.7:8080", "me-play.hf.space"), secret="0123456789abcdef", api_open=True,
        max_running=3, max_waiting=4, first_token_limit=1.5, stall_limit=2.0, on_space=True,
    )  # fmt: skip


BAD = [
    ("PLAYGROUND_DATA", "/proc/nothing/here", "Set PLAYGROUND_DATA to a folder that can be written"),
    ("PLAYGROUND_DATA", "~nobody-of-that-name/x", "Write the whole path"),
    ("PLAYGROUND_MODELS", "gone.yaml", "there is no such file"),
    ("PLAYGROUND_MODELS", "/", "there is no such file"),
    ("PLAYGROUND_LIBRARY", "gone", "there is no such folder"),
    ("PLAYGROUND_HOST", "http://here", "Set it to 127.0.0.1 or 0.0.0.0"),
    ("PLAYGROUND_PORT", "http", "PLAYGROUND_PORT=http is not a whole number"),
    ("PLAYGROUND_PORT", "70000", "up to 65535"),
    ("PLAYGROUND_PORT", "²", "not a whole number"),
    ("GRADIO_SERVER_PORT", "x", "GRADIO_SERVER_PORT=x is not a whole number"),
    ("PLAYGROUND_ROOT_PATH", "/play", "Write it as browsers see it"),
    ("PLAYGROUND_HOSTS", "https://ward.example.org", "PLAYGROUND_HOSTS=playground.example.org"),
    ("PLAYGROUND_SECRET", "short", "cookies could be forged"),
    ("PLAYGROUND_API_OPEN", "maybe", "Set it to 1 or 0"),
    ("PLAYGROUND_MAX_RUNNING", "0", "above 0"),
    ("PLAYGROUND_MAX_WAITING", "-1", "above 0"),
    ("PLAYGROUND_FIRST_TOKEN_LIMIT", "nan", "number of seconds above 0"),
    ("PLAYGROUND_STALL_LIMIT", "soon", "number of seconds above 0"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_a_bad_value_is_named_with_the_fix(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, **{name: value})
    assert name in str(caught.value)
    assert words in str(caught.value)


def test_a_secret_that_is_too_short_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, PLAYGROUND_SECRET="hunter2")
    assert "hunter2" not in str(caught.value)


def start(how: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PLAYGROUND_DATA": str(folder / "data"), **variables}
    return subprocess.run([sys.executable, *how], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("how", [APP, TASKS], ids=["app.py", "playground"])
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("PLAYGROUND_PORT", "x", 2),
        ("PLAYGROUND_DATABASE_URL", "mysql://u:p@h/d", 2),
        ("PLAYGROUND_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", 1),
    ],
)
def test_both_ways_to_start_say_it_in_one_line(
    tmp_path: Path, how: list[str], name: str, value: str, code: int
) -> None:
    done = start(how, tmp_path, **{name: value})
    assert done.returncode == code, done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "u:p" not in done.stderr


@pytest.mark.parametrize("how", [APP, ["-m", "playground", "serve"]], ids=["app.py", "serve"])
def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path, how: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = start(how, tmp_path, PLAYGROUND_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "choose another PLAYGROUND_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cookie_key_is_made_once_kept_and_private(tmp_path: Path) -> None:
    made = [read(tmp_path).secret for _ in range(2)]
    assert made[0] == made[1]
    assert len(made[0]) == 64
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o077 == 0


def test_several_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found: list[str] = []
    gate = threading.Barrier(8)

    def begin() -> None:
        gate.wait()
        found.append(read(tmp_path).secret)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {(tmp_path / "data" / "secret").read_text()}


def test_an_empty_key_is_refused_instead_of_signing_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").write_text("")
    with pytest.raises(BadInput, match="Delete it"):
        read(tmp_path)
