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
        found: Batch = []
        try:
            for line in lines:
                if line.startswith(b"data:"):
                    if (data := line[5:].strip()) == b"[DONE]":
                        self.done = True
                    elif data:
                        found.append(json.loads(data))
                elif line.startswith(b"error:"):  # llama.cpp
                    found.append({"error": json.loads(line[6:])})
        except (ValueError, RecursionError):
            self.unreadable = True
        return found
