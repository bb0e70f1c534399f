"""Ids -> text for every row of a batch while `generate()` runs: whole characters at once, one end for each row.

Called on the engine's thread only. Torch is imported inside, since this module is read where torch may be missing.
"""

from collections.abc import Sequence
from typing import Any

from adapters.local.job import Ended, Job


class Cancelled(Exception):
    """Raised inside generate() once every row has been stopped."""


class Row:
    """One job's answer in the making. DecodeStream gives whole characters; the tail it keeps back is flushed."""

    def __init__(self, job: Job) -> None:
        from tokenizers.decoders import DecodeStream

        self.job = job
        self.ids: list[int] = []
        self.over = False
        self._tokenizer = job.encoder.commands
        self._stream = DecodeStream([], skip_special_tokens=True)
        self._sent = 0

    @property
    def done(self) -> bool:
        return self.over or self.job.stop.is_set()

    def feed(self, token: int) -> None:
        """One generated id: text, or the end by a stop token or by length."""
        if self.done:
            return
        self.ids.append(token)
        if token in self.job.stops:
            self.close("stop")
            return
        if piece := self._stream.step(self._tokenizer, token):
            self._sent += len(piece)
            self.job.send(piece)
        if len(self.ids) >= self.job.max_tokens:
            self.close("length")

    def close(self, reason: str) -> None:
        """Flush what the decoder kept back and say that the answer is whole."""
        if self.over:
            return
        self.over = True
        shown = [i for i in self.ids if i not in self.job.stops]
        rest = self._tokenizer.decode(shown, skip_special_tokens=True)[self._sent :]
        if rest:
            self.job.send(rest)
        self.job.send(Ended("stop" if reason == "stop" else "length", len(self.ids)))

    def fail(self, error: BaseException) -> None:
        if not self.over:
            self.over = True
            self.job.send(error)


class Rows:
    """The streamer of one generate() call: `put` gets the prompt once, then one id per row and step."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        for row, token in zip(self.rows, value.tolist(), strict=True):
            row.feed(token)
        self.check()

    def end(self) -> None:
        for row in self.rows:
            if not row.done:
                row.close("length")

    def check(self) -> None:
        """Raise when nobody waits any more; called between layers too, so that a long prefill ends early."""
        if all(row.job.stop.is_set() for row in self.rows):
            raise Cancelled

    def finished(self, device: Any) -> Any:
        import torch

        return torch.tensor([row.done for row in self.rows], device=device)


def criteria(rows: Rows) -> Any:
    """A stopping criterion that ends single rows."""
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Finished(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return rows.finished(input_ids.device)

    return StoppingCriteriaList([Finished()])
