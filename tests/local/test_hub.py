"""`playground local pull` from a hub: a real server on 127.0.0.1 in the hub's place, the command in its own process."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from adapters.local.spec import read_spec
from adapters.local.weights import check_sums, find
from tests.local.hub import COMMIT, serving

MODEL = "tester/tiny"
TOOL = Path(sys.executable).with_name("playground")


def pull(url: str, home: Path, models: Path, *more: str, model: str = MODEL) -> subprocess.CompletedProcess[str]:
    online = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}  # set once a model loads here
    environment = {
        **online,
        "HF_ENDPOINT": url,
        "HF_HOME": str(home / "hf"),
        "PLAYGROUND_DATA": str(home / "data"),
        "PLAYGROUND_LOCAL_MODELS": str(models),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [TOOL, "local", "pull", model, *more]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def test_a_pull_fetches_only_what_is_needed_and_quantises_it(copy: Path, tmp_path: Path, models_folder: Path) -> None:
    for other in ("pytorch_model.bin", "consolidated.safetensors", "training_args.bin", "README.md"):
        (copy / other).write_bytes(b"not wanted" * 1000)
    with serving(copy, MODEL) as hub:
        done = pull(hub.url, tmp_path, models_folder, "--quantisation", "nf4")
    assert done.returncode == 0, done.stderr
    wanted = {"model.safetensors", "config.json", "generation_config.json"}
    assert set(hub.fetched) == wanted | {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    made = find(read_spec(MODEL, {"quantisation": "nf4"}))
    assert done.stdout.strip() == str(made.folder)
    assert (made.quantised, made.commit) == ("nf4", COMMIT)
    assert made.folder.parent == models_folder
    check_sums(made.folder)
    assert json.loads((made.folder / "SOURCE.json").read_text())["model"] == MODEL
    for words in ("Downloading tester/tiny", "Quantising to nf4", "may be deleted"):
        assert words in done.stderr.replace("\n", " ")


def test_a_broken_download_says_so_and_leaves_nothing(nano: Path, tmp_path: Path, models_folder: Path) -> None:
    with serving(nano, MODEL) as hub:
        hub.broken = 5000
        done = pull(hub.url, tmp_path, models_folder)
        assert done.returncode == 1
        assert "pull again" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(models_folder.iterdir())
        hub.broken = None
        again = pull(hub.url, tmp_path, models_folder)
    assert again.returncode == 0, again.stderr


def test_a_model_that_the_hub_does_not_have_is_named(nano: Path, tmp_path: Path, models_folder: Path) -> None:
    with serving(nano, MODEL) as hub:
        done = pull(hub.url, tmp_path, models_folder, model="tester/typo")
    assert done.returncode == 1
    assert "no public model tester/typo" in done.stderr.replace("\n", " ")


def test_weights_that_are_only_pickled_are_refused_with_another_revision(
    copy: Path, tmp_path: Path, models_folder: Path
) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with serving(copy, MODEL) as hub:
        done = pull(hub.url, tmp_path, models_folder)
    assert done.returncode == 1
    assert "no safetensors weights" in done.stderr.replace("\n", " ")
    assert "refs/pr/1" in done.stderr


def test_a_hub_that_does_not_answer_ends_a_pull_with_a_fix(tmp_path: Path, models_folder: Path) -> None:
    started = time.monotonic()
    done = pull("http://127.0.0.1:9", tmp_path, models_folder)
    assert done.returncode == 1
    assert "Check the network" in done.stderr.replace("\n", " ")
    assert time.monotonic() - started < 60
