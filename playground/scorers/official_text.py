"""The official MedS-Bench text metrics: BLEU-1 and ROUGE-L of one row, with what each official script does to it first.

Plain strings in; None stands for a cell that pandas reads as NaN. Exact with `punkt_tab`; without it BLEU-1 is counted
with untrained Punkt sentences (measured: 6 of 200 rows differ, by at most 0.015). Knows no case and no task file.
"""

import math
from collections import Counter
from typing import Literal, NamedTuple

from playground.scorers import lcs
from playground.scorers.official import NOT_TEXT, Marks
from playground.scorers.segment import answer_tokens, reference_tokens, variant
from playground.task import Language

Script = Literal["summarisation", "explanation", "rationale", "justification", "generation"]
RATIONALE_LANGUAGE: dict[str, Language] = {
    "task51": "zh", "task52": "en", "task53": "fr", "task54": "ja", "task55": "ru", "task56": "es",
}  # fmt: skip


class TextMarks(NamedTuple):
    """BLEU-1 and ROUGE-L F of one row, 0..1. `crash` and `skipped` as in `Marks`; `tokens` names BLEU's tokeniser."""

    bleu1: float
    rouge_l: float
    crash: str = ""
    skipped: str = ""
    tokens: str = ""


def bleu1(output: str, gold: str, language: Language = "en") -> float:
    """Sentence BLEU-1 with brevity penalty, 0..1 (Papineni 2002; NLTK `sentence_bleu`, weights 1,0,0,0, method1).

    Smoothing never changes a value with these weights: no word in common gives 0.
    """
    given, right = answer_tokens(output, language), reference_tokens(gold, language)
    matches = sum((Counter(given) & Counter(right)).values())
    if not matches:
        return 0.0
    brevity = 1.0 if len(given) > len(right) else math.exp(1 - len(right) / len(given))
    return brevity * matches / len(given)


def _spaced(output: str, gold: str, language: Language) -> tuple[str, str]:
    """Both texts with white space between their words, as the package `rouge` is given them."""
    if language not in ("zh", "ja"):
        return output, gold
    return " ".join(answer_tokens(output, language)), " ".join(reference_tokens(gold, language))


def rouge_l_f(output: str, gold: str, language: Language = "en") -> float:
    """F of summary-level ROUGE-L, 0..1 (Lin 2004; PyPI `rouge` 1.0.1). Chinese and Japanese are segmented first.

    Raises `ValueError` where `crashes` says so.
    """
    return lcs.rouge_l_f(*_spaced(output, gold, language))


def crashes(output: str, gold: str, language: Language = "en") -> str:
    """Why the package `rouge`, and with it the official script, stops at these texts; "" where it does not."""
    for name, text in zip(("answer", "reference"), _spaced(output, gold, language), strict=True):
        if not text.strip("."):
            return f"the {name} is empty or holds dots alone, and the official script stops there"
    return ""


def prepared(script: Script, output: str | None, gold: str | None) -> tuple[str, str] | Marks:
    """What the official script passes on to the metrics, or why it stops at this row or leaves it out."""
    if output is None or gold is None:
        if script == "explanation":
            return Marks(0.0, skipped="a cell is read as NaN, and the official script leaves it out")
        return Marks(0.0, crash=NOT_TEXT)
    if script == "rationale":
        output, gold = output.strip(), gold.strip()
        if not output or not gold:
            return Marks(0.0, skipped="answer or reference is empty, and the official script leaves it out")
    if script == "justification":
        output, gold = output.strip().lower(), gold.replace(".", "").strip().lower()
        if not output:
            return Marks(0.0)  # counted as 0, without a crash
    return output, gold


def overlap(script: Script, output: str | None, gold: str | None, language: Language = "en") -> TextMarks:
    """Both metrics of one row as the official script counts it; where that script stops, both are 0."""
    pair = prepared(script, output, gold)
    if isinstance(pair, Marks):
        return TextMarks(0.0, 0.0, pair.crash, pair.skipped, variant(language))
    crash = crashes(*pair, language)
    if crash:
        return TextMarks(0.0, 0.0, crash, "", variant(language))
    return TextMarks(bleu1(*pair, language), rouge_l_f(*pair, language), "", "", variant(language))
