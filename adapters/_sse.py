"""Server-sent events with JSON in them, from bytes; knows no transport and no API."""

import json
from typing import Any

LONGEST_LINE = 4_000_000  # bytes
Batch = list[Any]


class Lines:
    """Bytes -> events. `done` after `data: [DONE]`. Comments, event names and ids are left out."""

    def __init__(self) -> None:
        self.rest, self.done, self.unreadable = b"", False, False

    def events(self, block: bytes) -> Batch:
        """The events that end in this block, up to one that is not JSON; `unreadable` tells of that."""
        *lines, self.rest = (self.rest + block).split(b"\n")
        self.unreadable = len(self.rest) > LONGEST_LINE
        texts: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                if (data := line[5:].strip()) == b"[DONE]":
                    self.done = True
                elif data:
                    texts.append(data)
            elif line.startswith(b"error:"):  # llama.cpp
                texts.append(b'{"error": %b}' % line[6:].strip())
        return self._parsed(texts)

    def _parsed(self, texts: list[bytes]) -> Batch:
        """All at once, a third of the time of one by one; one by one where something is not JSON."""
        try:
            return json.loads(b"[%b]" % b",".join(texts))
        except (ValueError, RecursionError):
            pass
        found: Batch = []
        try:
            for text in texts:
                found.append(json.loads(text))
        except (ValueError, RecursionError):
            self.unreadable = True
        return found
