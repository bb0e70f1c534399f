"""Whether a local model can run here, before anything is loaded: packages, weights, memory. Asks no network."""

import importlib.util
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from adapters.errors import OutOfMemory, Unavailable
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, find

EXTRA = "Type: pip install -e '.[local]'"
BYTES_EACH = {"nf4": 0.67, "int8": 1.15, "none": 2.0}  # in memory, per parameter, embeddings at 16 bit included
HEADROOM = 1.15  # activations, cache of keys and values, loading
SLOW_ABOVE = 500_000_000  # parameters from which 4-bit on a processor without AVX512-BF16 crawls


def missing_package(spec: LocalSpec) -> str | None:
    """The first package that is not installed."""
    needed = ["torch", "transformers", "tokenizers", "safetensors"]
    needed += ["accelerate", "bitsandbytes"] if spec.quantisation != "none" else []
    return next((name for name in needed if importlib.util.find_spec(name) is None), None)


def why_not(spec: LocalSpec) -> str | None:
    """Reason and fix, or None. Fast: looks at packages, files and /proc only."""
    if name := missing_package(spec):
        return f"the package {name} is missing. {EXTRA}"
    try:
        weights = find(spec)
        check_device(spec, weights)
        check_memory(spec, weights)
    except (Unavailable, OutOfMemory) as error:
        return str(error)
    return None


def device_of(spec: LocalSpec) -> str:
    """`cuda` or `cpu`; raises `Unavailable` for a GPU that is asked for and not there."""
    if spec.device == "cpu":
        return "cpu"
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
    need = needed_bytes(spec, weights)
    device = device_of(spec)
    have = (gpu_free() or 0) if device.startswith("cuda") else memory_available()
    if need > have + freed:
        where = "GPU memory" if device.startswith("cuda") else "memory"
        words = f"It needs about {need / 1e9:.1f} GB of {where}, {(have + freed) / 1e9:.1f} GB are free."
        raise OutOfMemory(words, fix="Close other programs, use nf4, or choose a smaller model.")


def needed_bytes(spec: LocalSpec, weights: Weights) -> int:
    """Memory for weights and one full context, in bytes; an estimate."""
    each = BYTES_EACH[weights.quantised or spec.quantisation]
    return int(weights.parameters * each * HEADROOM) + 64 * 1024 * spec.context


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
