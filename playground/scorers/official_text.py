"""BLEU-1 and ROUGE-L exactly as the official MedS-Bench `cal_similarity` gives them; plain strings in, numbers out.

BLEU-1: `nltk.sentence_bleu` with weights (1, 0, 0, 0), which is brevity penalty times clipped matches. ROUGE-L: the
PyPI package `rouge` 1.0.1, whose summary-level union counts distinct words, here with a bit-parallel LCS (Hyyro 2004)
and the same tie-breaking. Tokens for BLEU: English Punkt and NLTK's words (also for fr, ru, es), jieba, janome.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

CACHED_TEXTS = 4096  # reference texts whose tokens are kept
SEGMENTED = {"zh": "jieba", "ja": "janome"}


def crash_reason(output: str) -> str | None:
    """Why the official scripts would end with an error on this output; None if they would not."""
    if not output.strip():
        return "empty output"
    if not output.replace(".", ""):
        return "only dots"
    return None


def bleu1(output: str, reference: str, language: str) -> float:
    """BLEU-1 in 0..1. Case-sensitive; an output without a shared token gives 0."""
    return bleu1_tokens(tokens(reference, language), tokens(output, language))


def bleu1_tokens(reference: Sequence[str], output: Sequence[str]) -> float:
    """The closed form of `sentence_bleu([reference], output, weights=(1, 0, 0, 0))`."""
    c, r = len(output), len(reference)
    matches = sum((Counter(output) & Counter(reference)).values())
    if not c or not matches:
        return 0.0
    return (1.0 if c > r else math.exp(1 - r / c)) * matches / c


def rouge_l(output: str, reference: str, language: str) -> float:
    """ROUGE-L F of `rouge` 1.0.1 in 0..1; 0 where that package raises (an empty text, only dots)."""
    if language in SEGMENTED:
        output, reference = " ".join(tokens(output, language)), " ".join(tokens(reference, language))
    return rouge_l_f(output, reference)


def rouge_l_f(output: str, reference: str) -> float:
    """The same on texts that are segmented already."""
    hypothesis, gold = _sentences(output), _cached_sentences(reference)
    if not hypothesis or not gold:
        return 0.0
    m = len({w for s in gold for w in s})
    n = len({w for s in hypothesis for w in s})
    union: set[str] = set()
    for r in gold:
        for h in hypothesis:
            union |= _lcs_words(r, h)
    p, q = len(union) / n, len(union) / m
    return 2.0 * ((p * q) / (p + q + 1e-8))


def _sentences(text: str) -> list[list[str]]:
    return [" ".join(s.split()).split(" ") for s in text.split(".") if s]


@lru_cache(maxsize=CACHED_TEXTS)
def _cached_sentences(text: str) -> list[list[str]]:
    return _sentences(text)


def _lcs_words(x: Sequence[str], y: Sequence[str]) -> set[str]:
    """Distinct words on the LCS that the package's backtrace finds; x reference, y hypothesis sentence."""
    positions: dict[str, int] = {}
    for i, word in enumerate(x):
        positions[word] = positions.get(word, 0) | (1 << i)
    y = [word for word in y if word in positions]  # words that are not in x are stepped over in any case
    m, n = len(x), len(y)
    if not n:
        return set()
    full = (1 << m) - 1
    state, rows = full, [0]
    for word in y:
        u = state & positions[word]
        state = ((state + u) | (state - u)) & full
        rows.append(full & ~state)
    return _walk_back(x, y, rows)


def _walk_back(x: Sequence[str], y: Sequence[str], rows: Sequence[int]) -> set[str]:
    words, i, j = set[str](), len(x), len(y)
    while i and j:
        if x[i - 1] == y[j - 1]:
            words.add(x[i - 1])
            i, j = i - 1, j - 1
            continue
        mask = (1 << (i - 1)) - 1
        if (rows[j] & mask).bit_count() > (rows[j - 1] & ((mask << 1) | 1)).bit_count():
            i -= 1
        else:
            j -= 1
    return words


def tokens(text: str, language: str) -> tuple[str, ...]:
    """Tokens as the official code makes them for BLEU; kept for texts that come again (references)."""
    return _tokens(text, SEGMENTED.get(language) or tokeniser(language))


def tokeniser(language: str) -> str:
    """The variant's name, to be shown beside a score: nltk-punkt_tab-en, nltk-punkt-untrained, jieba, janome."""
    if language in SEGMENTED:
        return SEGMENTED[language]
    return "nltk-punkt_tab-en" if _punkt() is not None else "nltk-punkt-untrained"


@lru_cache(maxsize=CACHED_TEXTS)
def _tokens(text: str, variant: str) -> tuple[str, ...]:
    if variant == "jieba":
        return tuple(_jieba().cut(text))
    if variant == "janome":
        return tuple(token.surface for token in _janome().tokenize(text))
    splitter = _punkt() if variant == "nltk-punkt_tab-en" else _untrained()
    words = _words()
    return tuple(t for sentence in splitter.tokenize(text) for t in words.tokenize(sentence))


@lru_cache(maxsize=1)
def _words() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=1)
def _punkt() -> Any:
    """The English Punkt model where its data are on this machine; never fetched here."""
    from nltk.tokenize import PunktTokenizer

    try:
        return PunktTokenizer("english")
    except LookupError:
        return None


@lru_cache(maxsize=1)
def _untrained() -> Any:
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer()


@lru_cache(maxsize=1)
def _jieba() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba


@lru_cache(maxsize=1)
def _janome() -> Any:
    from janome.tokenizer import Tokenizer

    return Tokenizer()
