"""The playground's own errors; each message says what to type next.

PlaygroundError
├── BadInput            what was asked for cannot be done as it stands (exit code 2)
│   ├── UnknownName     no such task, case, model, scorer or instrument; carries near misses
│   └── BadFile         a file cannot be read: path, position, reason
├── NotAllowed          the visitor has no right to it
├── Busy                too much at once; nothing was sent
└── StoreFailed         the database did not confirm; nothing is claimed to be saved (exit code 1)
"""

import difflib
from collections.abc import Iterable


class PlaygroundError(Exception):
    """Base of all; `str(error)` is one plain sentence or two, safe to show to the person who asked."""


class BadInput(PlaygroundError):
    pass


class UnknownName(BadInput):
    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.name, choices = name, sorted(known)
        near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        listed = ", ".join(near or choices[:8]) + ("" if near or len(choices) <= 8 else ", ...")
        hint = f"Did you mean {listed}?" if near else f"Known: {listed or 'none'}."
        super().__init__(f"There is no {kind} '{name}'. {hint}")


class BadFile(BadInput):
    def __init__(self, path: object, reason: str, *, position: str = "") -> None:
        super().__init__(f"{path}{', ' + position if position else ''}: {reason}")
        self.path, self.position, self.reason = str(path), position, reason


class NotAllowed(PlaygroundError):
    pass


class Busy(PlaygroundError):
    pass


class StoreFailed(PlaygroundError):
    pass
