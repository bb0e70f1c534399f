"""Server-sent events with JSON in them, from bytes; knows no transport and no API."""

import json
from typing import Any

import orjson

DATA, DONE = b"data: ", b"\ndata: [DONE]"
LONGEST_LINE = 4_000_000  # bytes
Batch = list[Any]


class Lines:
    """Bytes -> events. `done` after `data: [DONE]`. Comments, event names and ids are left out."""

    def __init__(self) -> None:
        self.rest, self.done, self.unreadable = b"", False, False

    def events(self, block: bytes) -> Batch:
        """The events that end in this block, up to one that is not JSON; `unreadable` tells of that."""
        whole, _, self.rest = (self.rest + block).rpartition(b"\n")
        self.unreadable = len(self.rest) > LONGEST_LINE
        whole = whole.strip(b"\n")
        if whole.endswith(DONE):
            self.done, whole = True, whole[: -len(DONE)].rstrip(b"\n")
        if whole.startswith(DATA) and (found := _plain(whole)) is not None:
            return found
        texts: list[bytes] = []
        for line in whole.split(b"\n"):
            if line.startswith(b"data:"):
                if (data := line[5:].strip()) == b"[DONE]":
                    self.done = True
                elif data:
                    texts.append(data)
            elif line.startswith(b"error:"):  # llama.cpp
                texts.append(b'{"error": %b}' % line[6:].strip())
        return self._parsed(texts)

    def _parsed(self, texts: list[bytes]) -> Batch:
        """All at once; one by one where something is not JSON, or only `json` takes it (half a character, NaN)."""
        try:
            return orjson.loads(b"[%b]" % b",".join(texts))
        except orjson.JSONDecodeError:
            pass
        found: Batch = []
        try:
            for text in texts:
                found.append(json.loads(text))
        except (ValueError, RecursionError):
            self.unreadable = True
        return found


def _plain(whole: bytes) -> Batch | None:
    """The events of a text that is nothing but events of one line each, in half the time; else None."""
    try:
        return orjson.loads(b"[%b]" % whole[len(DATA) :].replace(b"\n\n" + DATA, b","))
    except orjson.JSONDecodeError:
        return None
