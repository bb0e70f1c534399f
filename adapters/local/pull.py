"""Quantise once: download what is needed, quantise, save with SHA-256 sums, so that later starts take seconds.

The only verb that asks the network. Everything is made in a temporary folder and renamed at the end.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from adapters.errors import ConnectionBroken, Unavailable
from adapters.local.available import EXTRA, device_of, missing_package
from adapters.local.loading import from_pretrained
from adapters.local.spec import LocalSpec
from adapters.local.weights import SOURCE, Weights, inspect, pulled_folder, write_sums

WANTED = ["model*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json"]
BESIDE = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]
OFFLINE = "HF_HUB_OFFLINE is set."
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
    target.parent.mkdir(parents=True, exist_ok=True)
    source = _source(spec, say=say)
    _check_disk(target.parent, source, spec)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        if spec.quantisation == "none" or source.quantised:
            say(f"Copying {source.size / 1e9:.1f} GB")
            _copy(source.folder, made, WANTED)
        else:
            say(f"Quantising to {spec.quantisation}; this takes minutes for an 8B model and is done once")
            _quantise(spec, source, made)
        _copy(source.folder, made, BESIDE)
        origin = {"model": spec.name, "revision": spec.revision, "commit": source.commit}
        (made / SOURCE).write_text(json.dumps(origin, indent=1) + "\n")
        for path in made.iterdir():
            path.chmod(0o644)  # save_pretrained writes weights for the owner alone
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
    if source.folder.parent.name == "snapshots":
        say(f"The download is no longer needed; it may be deleted: {source.folder.parents[1]}")
    return done


def _source(spec: LocalSpec, *, say: Say) -> Weights:
    folder = Path(spec.name).expanduser()
    if folder.is_dir():
        return inspect(folder)
    if os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "True", "ON"):
        raise ConnectionBroken(OFFLINE, fix="Unset it for the pull, or name a local folder.")
    say(f"Downloading {spec.name} ({spec.revision}): safetensors and tokenizer only")
    found = _download(spec)
    if not any(found.glob("*.safetensors")):
        words = f"{spec.name} has no safetensors weights at revision {spec.revision}; others are not loaded."
        raise Unavailable(words, fix="Write a revision that has them in models.yaml, such as refs/pr/1.")
    return inspect(found)


def _download(spec: LocalSpec) -> Path:
    """Into the hub's cache, which resumes what was broken off. Progress bars go to standard error."""
    from httpx2 import HTTPError  # what huggingface_hub speaks through
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(spec.name, revision=spec.revision, allow_patterns=[*WANTED, *BESIDE]))
    except errors.HFValidationError as error:
        raise Unavailable(f"'{spec.name}' is neither a folder nor a hub id.", fix="Write owner/name.") from error
    except errors.GatedRepoError as error:
        fix = "Accept them on the model's page, then type: hf auth login"
        raise Unavailable(f"{spec.name} asks for its terms to be accepted.", fix=fix) from error
    except errors.RevisionNotFoundError as error:
        raise Unavailable(f"{spec.name} has no revision {spec.revision}.", fix="Correct it in models.yaml.") from error
    except errors.RepositoryNotFoundError as error:
        raise Unavailable(
            f"The hub has no public model {spec.name}.", fix="Check the name, or: hf auth login"
        ) from error
    except (errors.LocalEntryNotFoundError, HTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        fix = "Check the network and pull again, or copy the model here and pull its folder."
        raise ConnectionBroken(f"The hub could not be reached, or broke off: {reason}", fix=fix) from error
    except OSError as error:
        fix = "Free some space, or set HF_HOME to another disk, then pull again."
        raise Unavailable(f"The download could not be written: {error}.", fix=fix) from error


def _check_disk(folder: Path, source: Weights, spec: LocalSpec) -> None:
    each = {"nf4": 0.67, "int8": 1.15}.get(spec.quantisation)
    need = int(source.parameters * each) if each and not source.quantised else source.size
    free = shutil.disk_usage(folder).free
    if need * 1.05 > free:
        words = f"It needs {need / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free."
        raise Unavailable(words, fix="Free some space, or set PLAYGROUND_LOCAL_MODELS to another disk.")


def _copy(source: Path, target: Path, patterns: list[str]) -> None:
    for pattern in patterns:
        for path in source.glob(pattern):
            shutil.copy2(path, target / path.name)


def _quantise(spec: LocalSpec, source: Weights, target: Path) -> None:
    """Save before any forward: after one, bitsandbytes' packed weights on a processor are not what was loaded."""
    model, _ = from_pretrained(spec, source, device_of(spec))
    model.save_pretrained(target)
    if (source.folder / "generation_config.json").is_file():
        shutil.copy2(source.folder / "generation_config.json", target)


def _replace(made: Path, target: Path) -> None:
    """Put the new folder in place by renaming: a running process keeps the old files open and whole."""
    old = target.with_name(f".{target.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
