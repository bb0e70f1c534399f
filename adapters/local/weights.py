"""Where a model's files lie on this machine: a folder, a folder that `playground local pull` made, or the hub's cache.

Looks at file names, sizes and JSON only; asks no network and imports neither torch nor transformers.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from adapters.errors import Unavailable
from adapters.local.spec import LocalSpec

SUMS = "SHA256SUMS"
SOURCE = "SOURCE.json"  # in a pulled folder: which model, revision and commit it was made of
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Weights:
    """A complete folder. `quantised`: its weights are 4-bit or 8-bit on disk already; `size` in bytes."""

    folder: Path
    quantised: str | None
    size: int
    parameters: int  # an estimate from size and stored type, for the memory check
    commit: str | None = None  # of the repository on the hub, where it is known


def models_folder() -> Path:
    """Where pulled models are kept: PLAYGROUND_LOCAL_MODELS, else `models` in the data folder."""
    if given := os.environ.get("PLAYGROUND_LOCAL_MODELS"):
        return Path(given).expanduser()
    return Path(os.environ.get("PLAYGROUND_DATA", ROOT / "data")).expanduser() / "models"


def pulled_folder(spec: LocalSpec) -> Path:
    """The folder that a pull of this model makes; a local folder keeps its last name and a hash of its path."""
    name = spec.name
    if Path(name).is_dir():
        digest = hashlib.sha256(str(Path(name).resolve()).encode()).hexdigest()[:8]
        name = f"{Path(name).resolve().name}-{digest}"
    suffix = "" if spec.revision == "main" else f"@{spec.revision.replace('/', '--')}"
    return models_folder() / f"{name.replace('/', '--')}{suffix}-{spec.quantisation}"


def find(spec: LocalSpec) -> Weights:
    """The best copy at hand: pulled, a folder, the hub's cache. Raises `Unavailable` with the command to type."""
    pulled = pulled_folder(spec)
    if (pulled / "config.json").is_file():
        return inspect(pulled)
    path = Path(spec.name).expanduser()
    if path.is_absolute() or spec.name.startswith((".", "~")) or path.is_dir():
        if not path.is_dir():
            raise Unavailable(f"There is no folder {path}.", fix="Check the path in models.yaml.")
        return inspect(path)
    cached = cached_folder(spec)
    if cached is None:
        fix = f"Type: playground local pull {spec.name}"
        raise Unavailable(f"The weights of {spec.name} are not on this machine.", fix=fix)
    return inspect(cached)


def cached_folder(spec: LocalSpec) -> Path | None:
    """The snapshot of this revision in the Hugging Face cache, if there is one with weights."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    repo = cache / f"models--{spec.name.replace('/', '--')}"
    reference = repo / "refs" / spec.revision
    commit = reference.read_text().strip() if reference.is_file() else spec.revision
    folder = repo / "snapshots" / commit
    return folder if (folder / "config.json").is_file() and list(folder.glob("*.safetensors")) else None


def inspect(folder: Path) -> Weights:
    """Check that a folder is whole as far as names and sizes tell. Raises `Unavailable` that says what is missing."""
    config = read_json(folder, "config.json")
    if not (folder / "tokenizer.json").is_file():
        raise _incomplete(folder, "tokenizer.json")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(read_json(folder, index.name)["weight_map"].values()))
    else:
        names = [name for name in ("model.safetensors",) if (folder / name).is_file()]
    if not names:
        only_pickles = any(folder.glob("*.bin"))
        what = "safetensors weights (only pickled ones, which are not loaded)" if only_pickles else "weights"
        raise _incomplete(folder, what)
    for name in names:
        if not (folder / name).is_file() or not (folder / name).stat().st_size:
            raise _incomplete(folder, name)
    size = sum((folder / name).stat().st_size for name in names)
    quantised = _quantised(config)
    return Weights(folder, quantised, size, int(size / _bytes_each(config, quantised)), _commit(folder))


def _commit(folder: Path) -> str | None:
    if (folder / SOURCE).is_file():
        return read_json(folder, SOURCE).get("commit")
    return folder.name if folder.parent.name == "snapshots" else None


def most_tokens(folder: Path) -> int | None:
    """The positions that the model's own config allows; beyond them it writes nonsense."""
    value = read_json(folder, "config.json").get("max_position_embeddings")
    return value if isinstance(value, int) else None


@lru_cache(maxsize=32)
def cache_bytes(folder: Path) -> int:
    """Bytes of keys and values for one token of one answer, at 16 bit: 131,072 for an 8B Llama 3."""
    config = read_json(folder, "config.json")
    heads, hidden = config.get("num_attention_heads") or 32, config.get("hidden_size") or 4096
    width = (config.get("num_key_value_heads") or heads) * (config.get("head_dim") or hidden // heads)
    return 2 * 2 * width * (config.get("num_hidden_layers") or 32)


def read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _incomplete(folder, name) from error
    except ValueError as error:
        raise Unavailable(f"{folder / name} is damaged: {error}.", fix="Pull the model again.") from error
    return value if isinstance(value, dict) else {}


def _incomplete(folder: Path, what: str) -> Unavailable:
    return Unavailable(f"{folder} has no {what}.", fix="Pull the model again, or check the folder.")


def _quantised(config: dict[str, Any]) -> str | None:
    settings = config.get("quantization_config") or {}
    if settings.get("load_in_4bit") or settings.get("_load_in_4bit"):
        return "nf4"
    return "int8" if settings.get("load_in_8bit") or settings.get("_load_in_8bit") else None


def _bytes_each(config: dict[str, Any], quantised: str | None) -> float:
    if quantised:
        return {"nf4": 0.67, "int8": 1.15}[quantised]  # embeddings and head stay 16-bit
    return 4.0 if str(config.get("dtype") or config.get("torch_dtype")) == "float32" else 2.0


@lru_cache(maxsize=32)
def weights_hash(folder: Path, stamp: int) -> str:
    """SHA-256 over the sums file; over the blobs' names in the hub's cache, which are SHA-256 sums; or over names,
    sizes and the first and last megabyte of each file.

    `stamp` is the newest change in the folder, so that a replaced file is hashed again.
    """
    digest = hashlib.sha256()
    if (folder / SUMS).is_file():
        digest.update((folder / SUMS).read_bytes())
        return digest.hexdigest()
    for path in sorted(folder.glob("*.safetensors")):
        if path.is_symlink() and len(blob := path.resolve().name) == 64:
            digest.update(f"{path.name}:{blob}".encode())
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            file.seek(max(0, size - (1 << 20)))
            digest.update(file.read())
    return digest.hexdigest()


def stamp_of(folder: Path) -> int:
    return max(p.stat().st_mtime_ns for p in folder.iterdir() if p.is_file())


def write_sums(folder: Path) -> None:
    """Write SHA-256 sums of every file, as `sha256sum` does."""
    lines = [f"{file_sum(p)}  {p.name}" for p in sorted(folder.iterdir()) if p.is_file() and p.name != SUMS]
    (folder / SUMS).write_text("\n".join(lines) + "\n")


def check_sums(folder: Path) -> None:
    """Raise `Unavailable` when a file differs from its sum: one flipped byte would load silently."""
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text().splitlines():
        wanted, _, name = line.partition("  ")
        if not (folder / name).is_file() or file_sum(folder / name) != wanted:
            raise Unavailable(f"{folder / name} is not what was saved: its SHA-256 differs.", fix="Pull it again.")


def file_sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
