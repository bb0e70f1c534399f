"""Our order-free overlap beside BLEU-1 and ROUGE-L: F1 over tokens, case and punctuation aside."""

from collections import Counter

from playground.scorer import Score, Scorer
from playground.scorers.normal import plain
from playground.scorers.official_text import SEGMENTED, tokeniser, tokens
from playground.task import Case, Task


def bag(text: str, language: str) -> Counter[str]:
    """Tokens without case and punctuation; Chinese and Japanese by their segmenter."""
    words = " ".join(tokens(text, language)) if language in SEGMENTED else text
    return Counter(plain(words).split())


def score(text: str, case: Case, task: Task) -> Score:
    """Token F1 against the best of the references, in 0..1."""
    if not text.strip():
        return Score(metric="token_f1", value=0.0, explanation="The answer is empty.")
    said = bag(text, task.language)
    value = max((_f1(said, bag(t, task.language)) for t in _references(case, task)), default=0.0)
    variant = tokeniser(task.language) if task.language in SEGMENTED else "words"
    return Score(
        metric="token_f1", value=value, explanation=f"{value:.0%} of the words agree, in any order.", variant=variant
    )


def _references(case: Case, task: Task) -> tuple[str, ...]:
    return task.targets(case) or ((task.empty,) if task.empty else ())


def _f1(said: Counter[str], right: Counter[str]) -> float:
    both = sum((said & right).values())
    return 2 * both / (sum(said.values()) + sum(right.values())) if both else 0.0


SCORERS = (
    Scorer(
        id="token_f1",
        title="Token F1",
        kind="strict",
        score=score,
        caveat="Overlap of words with one reference is not quality: a right answer in other words scores low.",
        source="Rajpurkar et al., SQuAD, 2016 (token F1), articles kept",
    ),
)
