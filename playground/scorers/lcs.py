"""ROUGE-L as the PyPI package `rouge` 1.0.1 counts it, without its table and its recursion. Knows no language.

Sets of distinct words on the longest common subsequence of every pair of sentences, their union over all pairs,
divided by the numbers of distinct words. Which of several equally long subsequences is taken matters, so the walk
back ties exactly as there. The lengths are held as bits of one large integer a row (Hyyrö 2004).
"""

from functools import lru_cache
from typing import NamedTuple

Sentence = tuple[str, ...]
EPSILON = 1e-8


class Reference(NamedTuple):
    """Sentences of a reference, the bits at which each word stands in each, and its distinct words."""

    sentences: tuple[Sentence, ...]
    places: tuple[dict[str, int], ...]
    words: frozenset[str]


def sentences(text: str) -> tuple[Sentence, ...]:
    """Split on every ".", then on white space; a part of blanks alone is a sentence with one empty word."""
    return tuple(tuple(part.split()) or ("",) for part in text.split(".") if part)


@lru_cache(maxsize=1024)
def reference(text: str) -> Reference:
    """A reference taken apart; kept (bounded), because many answers are compared with the same one."""
    parts = sentences(text)
    return Reference(parts, tuple(_places(p) for p in parts), frozenset(w for p in parts for w in p))


def _places(words: Sentence) -> dict[str, int]:
    places: dict[str, int] = {}
    for i, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << i
    return places


def common_words(right: Sentence, places: dict[str, int], given: list[str]) -> set[str]:
    """Words on the longest common subsequence of `right` and `given`; `given` holds only words of `right`."""
    full = (1 << len(right)) - 1
    state, rows = full, [0]  # rows[j] has as many bits below i as the subsequence of i and j words is long
    for word in given:
        match = state & places[word]
        state = ((state + match) | (state - match)) & full
        rows.append(full & ~state)
    found: set[str] = set()
    i, j = len(right), len(given)
    while i and j:
        if right[i - 1] == given[j - 1]:
            found.add(right[i - 1])
            i, j = i - 1, j - 1
        elif (rows[j] & ((1 << (i - 1)) - 1)).bit_count() > (rows[j - 1] & ((1 << i) - 1)).bit_count():
            i -= 1
        else:
            j -= 1
    return found


def rouge_l_f(output: str, gold: str) -> float:
    """F of ROUGE-L, 0..1 (just below 1 for equal texts); words are divided by white space.

    Raises `ValueError` for a text that is empty or holds dots alone, as the package does.
    """
    given, right = sentences(output), reference(gold)
    if not given or not right.sentences:
        raise ValueError("Hypothesis is empty." if not given else "Reference is empty.")
    union: set[str] = set()
    for sentence, places in zip(right.sentences, right.places, strict=True):
        for words in given:
            shared = [w for w in words if w in places]  # exact: other words of the answer are always stepped over
            if not union.issuperset(shared):  # else the pair can add nothing
                union |= common_words(sentence, places, shared)
    precision = len(union) / len({w for s in given for w in s})
    recall = len(union) / len(right.words)
    return 2.0 * ((precision * recall) / (precision + recall + EPSILON))
