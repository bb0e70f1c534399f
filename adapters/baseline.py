"""Three floors that any model must beat: they answer from the task's other cases, or from the input itself.

- `majority`: the most frequent answer of the other cases (the first such, where several are as frequent);
- `nearest`: the answer of the other case whose text is most alike (the first such): cosine of tf-idf vectors;
- `lead`: the first three sentences of the input, at most 60 words.

No key, no network, no download, always the same answer. Option: tokens_per_second (default: no delay).
"""

import asyncio
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapters._pace import CJK, spoken
from adapters.base import Adapter, Chunk, Example, GenerateConfig, Message, Usage, user_text
from adapters.errors import BadRequest, UnknownModel

if TYPE_CHECKING:
    from adapters._nearest import Index

PROVIDER = "baseline"
NEEDS_EXAMPLES = True
NAMES = ("majority", "nearest", "lead")
SENTENCES, WORDS = 3, 60
PER_CJK = 0.5  # words that a Chinese or Japanese character counts for
ABBREVIATIONS = (
    "dr|mr|mrs|ms|prof|st|vs|approx|no|fig|e\\.g|i\\.e|cf|etc|resp|max|min|incl|b\\.i\\.d|t\\.i\\.d|q\\.d|p\\.o|i\\.v"
)
END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。！？])|\n+")
ABBREVIATED = re.compile(rf"(?:^|[\s(])(?:{ABBREVIATIONS})\.$", re.I)
WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return None if name in NAMES else str(_unknown(name))


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    if name not in NAMES:
        raise _unknown(name)
    return Baseline(name, examples, per_second=float(options.get("tokens_per_second") or 0))


def _unknown(name: str) -> UnknownModel:
    near = difflib.get_close_matches(name, NAMES, n=1)
    fix = f"Did you mean 'baseline/{near[0]}'?" if near else f"There are {', '.join(NAMES)}."
    return UnknownModel(f"There is no baseline '{name}'.", fix=fix)


class Baseline:
    """`examples`: all cases of the task with a reference; the one that is asked about never counts."""

    def __init__(self, name: str, examples: Sequence[Example], *, per_second: float) -> None:
        self.name, self.model = name, f"{PROVIDER}/{name}"
        self._examples, self._per_second = tuple(examples), per_second
        self._index: Index | None = None

    @cached_property
    def identity(self) -> str:
        """Changes when the cases change; a batch run takes it into its keys."""
        return hashlib.sha256(repr(self._examples).encode()).hexdigest() if self.name != "lead" else ""

    @cached_property
    def _plain(self) -> list[str]:
        return [" ".join(e.input.split()) for e in self._examples]

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        yield Chunk(parameters={"method": self.name} | ({"cases": len(self._examples)} if self.name != "lead" else {}))
        async with aclosing(spoken(await self._answer(user_text(messages)), per_second=self._per_second)) as chunks:
            async for chunk in chunks:
                yield chunk
        yield Chunk(stop_reason="stop", usage=Usage(), model=self.model)

    async def _answer(self, text: str) -> str:
        if self.name == "lead":
            return lead(text)
        if self.name == "majority":
            return majority(text, self._plain, self._examples)
        if self._index is None:  # built once; a second for 4,000 cases, in which other streams go on
            from adapters._nearest import Index

            self._index = await asyncio.to_thread(Index, [e.input for e in self._examples])
        found = self._index.nearest(text)
        if found is None:
            raise _alone()
        return self._examples[found].answer


def majority(text: str, plain: Sequence[str], examples: Sequence[Example]) -> str:
    """The most frequent answer of the cases with another input; raises `BadRequest` when there is none.

    `plain`: the examples' inputs with single spaces.
    """
    own = " ".join(text.split())
    answers = Counter(e.answer for other, e in zip(plain, examples, strict=True) if other != own)
    if not answers:
        raise _alone()
    return max(answers, key=answers.__getitem__)  # the first of the most frequent: a Counter keeps their order


def _alone() -> BadRequest:
    fix = "Add a second case with a reference to the task, or choose baseline/lead."
    return BadRequest("There is no other case of this task to answer from.", fix=fix)


def lead(text: str, *, sentences: int = SENTENCES, words: int = WORDS) -> str:
    """The first `sentences` sentences of `text` that fit into `words` words; a first one that is longer is cut."""
    taken, count = "", 0.0
    for number, sentence in enumerate(split_sentences(text)):
        length = sum(PER_CJK if re.match(rf"[{CJK}]", w) else 1 for w in WORD.findall(sentence))
        if number and (number == sentences or count + length > words):
            break
        taken, count = taken + sentence, count + length
    return _cut(taken.strip(), words) if count > words else taken.strip()


def split_sentences(text: str) -> list[str]:
    """Sentences with the space after them; joined, they are `text` without the space around it."""
    found, start, text = [], 0, text.strip()
    for match in END.finditer(text):
        if not ABBREVIATED.search(text[start : match.start()]) or "\n" in match.group():
            found.append(text[start : match.end()])
            start = match.end()
    return [s for s in (*found, text[start:]) if s.strip()]


def _cut(text: str, words: int) -> str:
    count = 0.0
    for match in WORD.finditer(text):
        count += PER_CJK if re.match(rf"[{CJK}]", match.group()) else 1
        if count >= words:
            return text[: match.end()]
    return text
