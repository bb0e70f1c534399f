"""Whether a local model can run here, before anything is loaded: packages, weights, memory. Asks no network."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from adapters.errors import OutOfMemory, Unavailable
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, cache_bytes, find

EXTRA = "Type: pip install -e '.[local]'"
BYTES_EACH = {"nf4": 0.67, "int8": 1.15, "none": 2.0}  # in memory, per parameter, embeddings at 16 bit included
HEADROOM = 1.15  # activations, cache of keys and values, loading
GPU_ASKED_EVERY = 5.0  # seconds
SLOW_ABOVE = 500_000_000  # parameters from which 4-bit on a processor without AVX512-BF16 crawls


def missing_package(spec: LocalSpec, *, quantised: bool = False) -> str | None:
    """The first package that is not installed. `quantised`: the weights on disk need bitsandbytes to be read."""
    needed = ["torch", "transformers", "tokenizers", "safetensors"]
    needed += ["accelerate", "bitsandbytes"] if quantised or spec.quantisation != "none" else []
    on_gpu = spec.device.startswith("cuda") or (spec.device == "auto" and gpu_free() is not None)
    needed += ["accelerate"] if on_gpu else []
    return next((name for name in needed if importlib.util.find_spec(name) is None), None)


def why_not(
    spec: LocalSpec, *, loaded: bool = False, gives_back: Callable[[str], int] = lambda device: 0
) -> str | None:
    """Reason and fix, or None. Fast: looks at packages, files and /proc only.

    `loaded`: this model is in memory already. `gives_back`: bytes on a device that models of ours would make free.
    """
    if name := missing_package(spec):
        return f"the package {name} is missing. {EXTRA}"
    try:
        weights = find(spec)
        if weights.quantised and (name := missing_package(spec, quantised=True)):
            return f"the package {name} is missing. {EXTRA}"
        check_device(spec, weights)
        if not loaded:
            check_memory(spec, weights, freed=gives_back(device_of(spec)))
    except (Unavailable, OutOfMemory) as error:
        return str(error)
    return None


def on_zero_gpu() -> bool:
    """Whether this is a Space to which a GPU is lent for each request; how big it is cannot be seen from here."""
    return bool(os.environ.get("SPACES_ZERO_GPU")) and importlib.util.find_spec("spaces") is not None


def device_of(spec: LocalSpec) -> str:
    """`cuda` or `cpu`; raises `Unavailable` for a GPU that is asked for and not there."""
    if spec.device == "cpu":
        return "cpu"
    if on_zero_gpu():
        return "cuda"
    if gpu_free() is not None:
        return "cuda" if spec.device == "auto" else spec.device
    if spec.device != "auto":
        raise Unavailable(f"The device {spec.device} is asked for, but there is no GPU here.", fix="Write device: cpu.")
    return "cpu"


def check_device(spec: LocalSpec, weights: Weights) -> None:
    """Refuse a combination that would run, but crawl."""
    quantised = weights.quantised or (spec.quantisation if spec.quantisation != "none" else None)
    slow = quantised == "nf4" and device_of(spec) == "cpu" and weights.parameters > SLOW_ABOVE
    if slow and not has_avx512_bf16():
        fix = "Write quantisation: none (bfloat16) or int8 for this machine, or run the model behind compatible/..."
        raise Unavailable("4-bit weights crawl on this processor: it lacks AVX512-BF16 and there is no GPU.", fix=fix)


def check_memory(spec: LocalSpec, weights: Weights, *, freed: int = 0) -> None:
    """Raise `OutOfMemory` with need and have. `freed`: bytes that an eviction would give back."""
    device = device_of(spec)
    if device == "cuda" and on_zero_gpu():
        return
    need = needed_bytes(spec, weights)
    have = (gpu_free() or 0) if device.startswith("cuda") else memory_available()
    if need > have + freed:
        where = "GPU memory" if device.startswith("cuda") else "memory"
        words = f"It needs about {need / 1e9:.1f} GB of {where}, {(have + freed) / 1e9:.1f} GB are free."
        raise OutOfMemory(words, fix="Close other programs, use nf4, or choose a smaller model.")


def needed_bytes(spec: LocalSpec, weights: Weights) -> int:
    """Memory for weights and one full context, in bytes; an estimate."""
    each = BYTES_EACH[weights.quantised or spec.quantisation]
    return int(weights.parameters * each * HEADROOM) + cache_bytes(weights.folder) * spec.context


def memory_available() -> int:
    """MemAvailable of this machine, or what the control group leaves, in bytes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, max(0, int(text) - int(used.read_text())))
    return free


@lru_cache(maxsize=1)
def has_avx512_bf16() -> bool:
    """The instruction set that makes bitsandbytes' 4-bit kernel fast on a processor."""
    path = Path("/proc/cpuinfo")
    return path.is_file() and " avx512_bf16" in path.read_text()


def gpu_free() -> int | None:
    """Free memory of the freest NVIDIA GPU in bytes; None without one. Does not import torch."""
    return _ask_nvidia(int(time.monotonic() // GPU_ASKED_EVERY))


@lru_cache(maxsize=1)
def _ask_nvidia(moment: int) -> int | None:
    """`moment` changes when the answer has grown old: the tool takes up to seconds, and a page asks for each model."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return None  # the tool is there, but no GPU answers: the same as no GPU
    sizes = [int(line) for line in text.split() if line.isdigit()]
    return max(sizes) * 1024 * 1024 if sizes else None
