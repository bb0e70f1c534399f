"""Weights -> a model in memory, and out of it again. Runs on the thread that owns torch only.

Loading is from safetensors, never over the network; a tensor that is missing or of the wrong shape is refused,
because transformers would fill it with random values.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from adapters.errors import AdapterError, OutOfMemory, Unavailable
from adapters.local.available import device_of, needed_bytes
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, stamp_of, weights_hash

CLOSE = "Close other programs, use nf4, or choose a smaller model."
# Log lines of no use to a user: "inputs will be cast" per layer and token; kernels of a hub that is not asked.
NOISY = ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops")


@dataclass(eq=False)
class Loaded:
    """A resident model. `size`: bytes of its weights; `held`: those that come back when it goes (mapped files do not
    count); `used`: seconds of the monotonic clock."""

    spec: LocalSpec
    weights: Weights
    model: Any
    device: str
    dtype: str
    sha256: str
    software: str
    load_s: float = 0.0
    size: int = 0
    held: int = 0
    used: float = 0.0


@lru_cache(maxsize=1)
def start_torch() -> Any:
    """Import torch and transformers once, on the thread that will own them. Leaves one core to the page."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    return torch


def load(spec: LocalSpec, weights: Weights) -> Loaded:
    """Load one model, ready to answer. Raises `Unavailable` or `OutOfMemory` with a fix."""
    start_torch()
    from transformers import GenerationConfig

    started, before = time.monotonic(), _own_bytes()
    digest = weights_hash(weights.folder, stamp_of(weights.folder))
    model, device = from_pretrained(spec, weights, device_of(spec))
    dtype = str(next(iter(model.parameters())).dtype).removeprefix("torch.")
    loaded = Loaded(spec, weights, model, device, dtype, digest, _software())
    model.generation_config = GenerationConfig()  # the authors' penalties and sampling: used is what is asked for
    _warm_up(model)
    loaded.load_s = time.monotonic() - started
    loaded.size = int(model.get_memory_footprint())
    loaded.held = loaded.size if device != "cpu" else min(loaded.size, max(0, _own_bytes() - before))
    return loaded


def _software() -> str:
    found = []
    for name in ("torch", "transformers", "bitsandbytes"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


@contextmanager
def telling(spec: LocalSpec, weights: Weights, say: Callable[[str], None]) -> Iterator[None]:
    """A sentence a second to `say` while the body loads: a long load must not look like a hung one."""
    over, need, before, started = threading.Event(), needed_bytes(spec, weights), resident_bytes(), time.monotonic()

    def tell() -> None:
        while not over.is_set():
            share = min(99, int(100 * max(0, resident_bytes() - before) / need))
            say(f"Loading the local model, {share} %, {time.monotonic() - started:.0f} s")
            over.wait(1.0)

    ticker = threading.Thread(target=tell, name="loading", daemon=True)
    ticker.start()
    try:
        yield
    finally:
        over.set()
        ticker.join()


def resident_bytes() -> int:
    """Memory of this process that lies in RAM, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _own_bytes() -> int:
    """As `resident_bytes`, without mapped files: those are given up by themselves when memory is short."""
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def quantisation_config(spec: LocalSpec) -> Any:
    """NF4 with double quantisation and bfloat16 compute, or LLM.int8(); None for plain bfloat16."""
    import torch
    from transformers import BitsAndBytesConfig

    if spec.quantisation == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    return BitsAndBytesConfig(load_in_8bit=True) if spec.quantisation == "int8" else None


def from_pretrained(spec: LocalSpec, weights: Weights, device: str) -> tuple[Any, str]:
    """The model and its device, whole or not at all. Raises `Unavailable` or `OutOfMemory` with a fix."""
    torch = start_torch()
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if device != "cpu" and not torch.cuda.is_available():
        fix = "Install the build from https://pytorch.org for your GPU, or write device: cpu."
        raise Unavailable("There is a GPU, but this torch cannot use it.", fix=fix)
    options: dict[str, Any] = {"dtype": torch.bfloat16, "use_safetensors": True, "local_files_only": True}
    if weights.quantised is None and (config := quantisation_config(spec)) is not None:
        options["quantization_config"] = config
    if device != "cpu":
        options["device_map"] = {"": device}
    folder = weights.folder
    try:
        found: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    except SafetensorError as error:
        raise Unavailable(f"A weights file in {folder} is damaged: {error}.", fix="Pull it again.") from error
    except ImportError as error:
        raise Unavailable(f"A package is missing: {error.name}.", fix="pip install -e '.[local]'") from error
    except (RuntimeError, MemoryError, OSError, ValueError) as error:
        if _is_memory(error):
            raise OutOfMemory("The machine ran out of memory while loading.", fix=CLOSE) from error
        raise Unavailable(f"{folder} cannot be loaded: {_first_line(error)}", fix="Pull it again.") from error
    model, report = found
    bad = [*report.get("missing_keys", ()), *report.get("mismatched_keys", ())]
    if bad:
        words = f"{len(bad)} tensors are missing or of the wrong shape in {folder}, such as {bad[0]}."
        raise Unavailable(words, fix="Pull the model again.")
    return model.eval(), device


def _is_memory(error: BaseException) -> bool:
    words = str(error).lower()
    marks = ("out of memory", "can't allocate", "unable to mmap", "cannot allocate")
    return isinstance(error, MemoryError) or any(mark in words for mark in marks)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def as_error(error: BaseException) -> AdapterError:
    """A failure of a generation: memory that ended, with a fix; anything else named by its type."""
    if _is_memory(error):
        return OutOfMemory("The machine ran out of memory.", fix="Use fewer tokens or examples, then try again.")
    return AdapterError(f"The model failed with {_first_line(error)}.")


@contextmanager
def watched(model: Any, look: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Call `look` before every matrix of every layer, until the function that this gives is called.

    A `look` that raises ends a prefill of an 8B model on two cores within a second. Only prefills need it: while tokens
    come, there is a look after each, and the hooks would cost a small model some hundredths of its speed.
    """
    import torch

    def hook(module: Any, inputs: Any) -> None:
        look()

    matrices = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    handles = [module.register_forward_pre_hook(hook) for module in matrices]

    def release() -> None:
        while handles:
            handles.pop().remove()

    try:
        yield release
    finally:
        release()


def _warm_up(model: Any) -> None:
    """One token on this thread: the first 4-bit forward on a processor rewrites the weights in place."""
    import torch

    with torch.inference_mode():
        model(input_ids=torch.tensor([[0, 0]], device=model.device))


def unload(loaded: Loaded) -> None:
    """Free a model: memory goes back to the system, not only to the allocator."""
    loaded.model = None
    tidy()


def tidy() -> None:
    """Give back what nobody uses any more, after an eviction or when memory ran out."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # not glibc: memory stays with the allocator, which reuses it
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
