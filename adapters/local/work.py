"""One batch from ids to events, on whichever thread or process owns torch; knows no queue and no visitor."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from adapters.local.decode import Cancelled, Rows, criteria
from adapters.local.job import Ask, Asked, Running, Sampling, Status
from adapters.local.loading import Loaded, start_torch, watched
from adapters.local.residents import Residents


def answer(models: Residents, batch: Sequence[Asked], *, beat: Callable[[], object] = lambda: None) -> None:
    """Load what is asked for, generate, and send every row what belongs to it. Raises what went wrong.

    All rows share one model, sampling and stop tokens. `beat` is called at every sign of progress.
    """

    def say(words: str) -> None:
        beat()
        for job in batch:
            job.send(Status(words))

    if not models.holds(batch[0].ask.spec):
        say("Loading the local model")  # importing torch alone takes seconds
    torch = start_torch()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # loading draws numbers, too
        loaded = models.ready(batch[0].ask.spec, say=say)
        _generate(torch, loaded, batch, beat)


def _generate(torch: Any, loaded: Loaded, batch: Sequence[Asked], beat: Callable[[], object]) -> None:
    first, rows = batch[0], Rows(batch)
    for job in batch:
        job.send(Status(f"Reading {len(job.ask.ids)} tokens"))
        job.send(Running(parameters(loaded, job.ask, len(batch))))
    width, pad = max(len(job.ask.ids) for job in batch), first.encoder.pad
    filled = [[pad] * (width - len(j.ask.ids)) + [*j.ask.ids] for j in batch]
    masks = [[0] * (width - len(j.ask.ids)) + [1] * len(j.ask.ids) for j in batch]

    def look() -> None:
        beat()
        rows.check()

    try:
        with torch.inference_mode(), watched(loaded.model, look) as prompt_read:

            def step() -> None:
                beat()
                prompt_read()

            rows.step = step
            _seed(torch, first.ask.sampling)
            loaded.model.generate(
                input_ids=torch.tensor(filled, device=loaded.model.device),
                attention_mask=torch.tensor(masks, device=loaded.model.device),
                streamer=rows,
                stopping_criteria=criteria(rows),
                eos_token_id=list(first.ask.stops) or None,
                pad_token_id=pad,
                max_new_tokens=max(job.ask.max_tokens for job in batch),
                **_sampling_options(first.ask.sampling),
            )
    except Cancelled:
        return
    finally:
        loaded.used = time.monotonic()


def _seed(torch: Any, sampling: Sampling) -> None:
    """A sample without a seed must not repeat: the state that fork_rng restores is the same each time."""
    if sampling.greedy:
        return
    if sampling.seed is None:
        torch.seed()
    else:
        torch.manual_seed(sampling.seed)


def _sampling_options(sampling: Sampling) -> dict[str, Any]:
    if sampling.greedy:
        return {"do_sample": False}
    top_p = 1.0 if sampling.top_p is None else sampling.top_p
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": top_p, "top_k": 0}


def parameters(loaded: Loaded, ask: Ask, batch_size: int) -> dict[str, Any]:
    """Everything that a repetition needs to know, as it was used."""
    return {
        "max_tokens": ask.max_tokens,
        "temperature": ask.sampling.temperature,
        "top_p": ask.sampling.top_p,
        "seed": ask.sampling.seed,
        "greedy": ask.sampling.greedy,
        "stop_token_ids": list(ask.stops),
        "stop": list(ask.ends),
        "quantisation": loaded.weights.quantised or loaded.spec.quantisation,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "revision": loaded.spec.revision,
        "commit": loaded.weights.commit,
        "weights_sha256": loaded.sha256,
        "batch_size": batch_size,
        "context": ask.spec.context,
        "reference_prompt": ask.spec.reference_prompt,
        "software": loaded.software,
    }
