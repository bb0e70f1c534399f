"""Quantise once: download what is needed, quantise, save with SHA-256 sums, so that later starts take seconds.

The only verb that asks the network. Everything is made in a temporary folder and renamed at the end.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.errors import ConnectionBroken, Unavailable
from adapters.local.available import EXTRA, missing_package
from adapters.local.loading import as_error, quantisation_config, start_torch
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, inspect, pulled_folder, write_sums

log = logging.getLogger(__name__)
WANTED = ["*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "*.jinja"]
WANTED += ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
BESIDE = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
Say = Callable[[str], None]


def pull(spec: LocalSpec, *, say: Say, again: bool = False) -> Weights:
    """Fetch and quantise one model; returns the folder that later starts use.

    A model that is here already is left as it is unless `again`. Raises `ConnectionBroken` without a network,
    `Unavailable` with a fix for a damaged source or a full disk.
    """
    if name := missing_package(spec):
        raise Unavailable(f"The package {name} is missing.", fix=EXTRA)
    target = pulled_folder(spec)
    if (target / "config.json").is_file() and not again:
        say(f"{target} is here already.")
        return inspect(target)
    source = inspect(_source(spec, say=say))
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_disk(target.parent, source, spec)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        if spec.quantisation == "none" or source.quantised:
            say(f"Copying {source.size / 1e9:.1f} GB")
            shutil.copytree(source.folder, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.bin", ".git"))
        else:
            say(f"Quantising to {spec.quantisation}; this takes minutes for an 8B model and is done once")
            _quantise(spec, source, made)
        write_sums(made)
        made.chmod(0o755)
        _replace(made, target)
    except OSError as error:
        raise Unavailable(
            f"{target} could not be written: {error}.", fix="Free some space, then pull again."
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    done = inspect(target)
    say(f"Saved {done.size / 1e9:.2f} GB in {target}")
    return done


def _source(spec: LocalSpec, *, say: Say) -> Path:
    folder = Path(spec.name).expanduser()
    if folder.is_dir():
        return folder
    if os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "True", "ON"):
        raise ConnectionBroken("HF_HUB_OFFLINE is set.", fix="Unset it for the pull, or name a local folder.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    say(f"Downloading {spec.name} ({spec.revision}): safetensors and tokenizer only")
    try:
        return Path(snapshot_download(spec.name, revision=spec.revision, allow_patterns=WANTED))
    except HFValidationError as error:
        raise Unavailable(f"'{spec.name}' is neither a folder nor a hub id.", fix="Write owner/name.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        reason = str(error).splitlines()[0]
        fix = "Check the network and the model's name, or copy the model here and pull its folder."
        raise ConnectionBroken(f"The hub could not be reached or refused: {reason}", fix=fix) from error


def _check_disk(folder: Path, source: Weights, spec: LocalSpec) -> None:
    each = {"nf4": 0.67, "int8": 1.15}.get(spec.quantisation)
    need = int(source.parameters * each) if each and not source.quantised else source.size
    free = shutil.disk_usage(folder).free
    if need * 1.05 > free:
        words = f"It needs {need / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free."
        raise Unavailable(words, fix="Free some space, or set PLAYGROUND_LOCAL_MODELS to another disk.")


def _quantise(spec: LocalSpec, source: Weights, target: Path) -> None:
    """Save before any forward: after one, bitsandbytes' packed weights on a processor are not what was loaded."""
    torch = start_torch()
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": torch.bfloat16, "quantization_config": quantisation_config(spec)}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
        )
    except (RuntimeError, MemoryError) as error:
        raise as_error(error) from error
    model, report = loaded
    if bad := [*report.get("missing_keys", ()), *report.get("mismatched_keys", ())]:
        raise Unavailable(
            f"{len(bad)} tensors are missing in {source.folder}, such as {bad[0]}.", fix="Fetch it again."
        )
    model.save_pretrained(target)
    for name in BESIDE:
        if (source.folder / name).is_file():
            shutil.copy2(source.folder / name, target / name)
    if not (target / "generation_config.json").is_file() and (source.folder / "generation_config.json").is_file():
        shutil.copy2(source.folder / "generation_config.json", target)
    for path in target.iterdir():
        path.chmod(0o644)  # save_pretrained writes weights for the owner alone


def _replace(made: Path, target: Path) -> None:
    """Put the new folder in place by renaming: a running process keeps the old files open and whole."""
    old = target.with_name(f".{target.name}-old")
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
