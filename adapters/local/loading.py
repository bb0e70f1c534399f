"""Weights -> a model in memory, and out of it again. Runs on the engine's thread only.

Loading is from safetensors, never over the network; a tensor that is missing or of the wrong shape is refused,
because transformers would fill it with random values.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.errors import OutOfMemory, Unavailable
from adapters.local.available import check_device, check_memory, device_of, needed_bytes
from adapters.local.spec import LocalSpec
from adapters.local.weights import Weights, check_sums, find, stamp_of, weights_hash

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Loaded:
    """A resident model. `pins`: generate() calls that use it; `used`: seconds of the monotonic clock."""

    spec: LocalSpec
    weights: Weights
    model: Any
    device: str
    dtype: str
    sha256: str
    load_s: float
    used: float = 0.0


def start_torch(threads: int | None = None) -> Any:
    """Import torch and transformers once, on the engine's thread. Leaves one core to the page on a processor."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)  # one line per layer and token
    torch.set_num_threads(threads or max(1, (os.cpu_count() or 2) - 1))
    return torch


def load(spec: LocalSpec, *, say: Callable[[str], None], freed: int = 0) -> Loaded:
    """Load one model, with a sentence a second to `say`. Raises `Unavailable` or `OutOfMemory` with a fix."""
    weights = find(spec)
    check_device(spec, weights)
    check_memory(spec, weights, freed=freed)
    check_sums(weights.folder)
    started, over = time.monotonic(), threading.Event()
    ticker = threading.Thread(target=_tell, args=(spec, weights, say, over), daemon=True)
    ticker.start()
    try:
        model, device = _from_pretrained(spec, weights)
        _warm_up(model)
    finally:
        over.set()
        ticker.join()
    dtype = str(next(iter(model.parameters())).dtype).removeprefix("torch.")
    digest = weights_hash(weights.folder, stamp_of(weights.folder))
    return Loaded(spec, weights, model, device, dtype, digest, time.monotonic() - started)


def _tell(spec: LocalSpec, weights: Weights, say: Callable[[str], None], over: threading.Event) -> None:
    started, before, need = time.monotonic(), resident_bytes(), needed_bytes(spec, weights)
    while not over.is_set():
        gained = max(0, resident_bytes() - before)
        share = min(99, int(100 * gained / need))
        say(f"Loading the local model, {share} %, {time.monotonic() - started:.0f} s")
        over.wait(1.0)


def resident_bytes() -> int:
    """Memory of this process that lies in RAM, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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


def _from_pretrained(spec: LocalSpec, weights: Weights) -> tuple[Any, str]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    device = device_of(spec)
    options: dict[str, Any] = {"dtype": torch.bfloat16, "use_safetensors": True, "local_files_only": True}
    if weights.quantised is None and (config := quantisation_config(spec)) is not None:
        options["quantization_config"] = config
    if device != "cpu":
        options["device_map"] = {"": device}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(weights.folder, output_loading_info=True, **options)
        model, report = loaded
    except SafetensorError as error:
        raise Unavailable(f"A weights file in {weights.folder} is damaged: {error}.", fix="Pull it again.") from error
    except ImportError as error:
        raise Unavailable(f"A package is missing: {error.name}.", fix="pip install -e '.[local]'") from error
    except (RuntimeError, MemoryError) as error:
        raise as_error(error) from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{weights.folder} cannot be loaded: {error}.", fix="Pull it again.") from error
    bad = [*report.get("missing_keys", ()), *report.get("mismatched_keys", ())]
    if bad:
        words = f"{len(bad)} tensors are missing or of the wrong shape in {weights.folder}, such as {bad[0]}."
        raise Unavailable(words, fix="Pull the model again.")
    return model.eval(), device


def as_error(error: BaseException) -> OutOfMemory | Unavailable:
    """What torch says when memory ends, as an error with a fix; anything else named by its type."""
    words = str(error)
    if "out of memory" in words.lower() or "can't allocate" in words or "unable to mmap" in words.lower():
        return OutOfMemory("The machine ran out of memory.", fix="Use fewer tokens or examples, then try again.")
    return Unavailable(
        f"The model failed with {type(error).__name__}: {words.splitlines()[0] if words else ''}", fix=""
    )


def _warm_up(model: Any) -> None:
    """One token on this thread: the first 4-bit forward on a processor rewrites the weights in place."""
    import torch

    with torch.inference_mode():
        model(input_ids=torch.tensor([[0, 0]], device=model.device))


def unload(loaded: Loaded) -> None:
    """Free a model: memory goes back to the system, not only to the allocator."""
    import torch

    loaded.model = None
    gc.collect()
    if loaded.device != "cpu":
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # not glibc: memory stays with the allocator, which reuses it
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
