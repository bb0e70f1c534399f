"""Ids -> text for every row of a batch while `generate()` runs: whole characters at once, one end for each row.

Called on the thread that owns torch. Torch is imported inside, since this module is read where torch may be missing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from adapters.local.job import Asked, Ended


class Cancelled(Exception):
    """Raised inside generate() once nobody waits for any row."""


class Row:
    """One answer in the making. DecodeStream gives whole characters; the tail it keeps back is flushed."""

    def __init__(self, job: Asked) -> None:
        from tokenizers.decoders import DecodeStream

        self.job = job
        self.ids: list[int] = []
        self.over = False
        self._tokenizer = job.encoder.commands
        self._stream = DecodeStream([], skip_special_tokens=True)
        self._made = 0  # characters that the decoder has given
        self._kept = ""  # what may be the beginning of an end text
        self._ends = job.ask.ends

    @property
    def done(self) -> bool:
        return self.over or self.job.stop.is_set()

    def feed(self, token: int) -> None:
        """One generated id: text, or the end by a stop token, by an end text or by length."""
        if self.done:
            return
        self.ids.append(token)
        if token in self.job.ask.stops:
            self._close("stop")
            return
        if piece := self._stream.step(self._tokenizer, token):
            self._made += len(piece)
            if self._send(piece):
                return
        if len(self.ids) >= self.job.ask.max_tokens:
            self._close("length")

    def _send(self, piece: str) -> bool:
        """Send what can no longer belong to an end text; whether one was met, which ends the answer before it."""
        text = self._kept + piece
        met = [at for end in self._ends if (at := text.find(end)) >= 0]
        if met:
            self._kept = ""
            self._out(text[: min(met)])
            self._end("stop")
            return True
        keep = max((_overlap(text, end) for end in self._ends), default=0)
        self._kept = text[len(text) - keep :]
        self._out(text[: len(text) - keep])
        return False

    def _out(self, text: str) -> None:
        if text:
            self.job.send(text)

    def _close(self, reason: str) -> None:
        """Flush what the decoder kept back, and say that the answer is whole."""
        shown = [i for i in self.ids if i not in self.job.ask.stops]
        rest = self._tokenizer.decode(shown, skip_special_tokens=True)[self._made :]
        if not self._send(rest):
            self._out(self._kept)
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.over = True
        self.job.send(Ended("stop" if reason == "stop" else "length", len(self.ids)))


def _overlap(text: str, end: str) -> int:
    """How many characters at the end of `text` may be the beginning of `end`."""
    return next((n for n in range(min(len(text), len(end) - 1), 0, -1) if end.startswith(text[-n:])), 0)


class Rows:
    """The streamer of one generate() call: `put` gets the prompt once, then one id per row and step."""

    def __init__(self, jobs: Sequence[Asked]) -> None:
        self.rows = [Row(job) for job in jobs]
        self.step: Callable[[], object] = lambda: None  # called once a token
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        self.step()
        for row, token in zip(self.rows, value.tolist(), strict=True):
            row.feed(token)

    def end(self) -> None:
        """The limits of every row are checked in `feed`, so nothing is left to do."""

    def check(self) -> None:
        """Raise when nobody waits any more; called within a prefill, so that a long one ends early."""
        for row in self.rows:
            if not (row.over or row.job.stop.is_set()):
                return
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
