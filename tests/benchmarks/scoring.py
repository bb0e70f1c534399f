"""How fast the scores are, beside `rouge` 1.0.1 and NLTK in the same run. By hand: python tests/benchmarks/scoring.py

Ratios count, not seconds. Needs pip install -e '.[benchmark]'; figures seen are in scoring.md.
"""

import csv
import math
import os
import random
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from nltk.tokenize import word_tokenize
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge import Rouge

from playground.medsbench.results import score_files
from playground.scorers import official_text as text

PAIRS, WORDS, LONG = 500, 150, 4_000
SIZES = (12_500, 25_000, 50_000)
SYLLABLES = "car di o my pa thy gas tro in tes ti nal pneu mo nia he pa ti tis ar thri ne phro"
Pair = tuple[str, str]


def made_text(chance: random.Random, words: int, *, stops: bool = True) -> str:
    """Words with the frequencies of a language (Zipf), in sentences of about 15."""
    vocabulary = [
        "".join(chance.choices(SYLLABLES.split(), k=1 + i % 4)) + str(i % 10) * (i > 400) for i in range(3000)
    ]
    weights = [1 / (rank + 2) for rank in range(len(vocabulary))]
    found = chance.choices(vocabulary, weights, k=words)
    return " ".join(w + "." if stops and i % 15 == 14 else w for i, w in enumerate(found)) + ("." if stops else "")


def best(work: Callable[[], object], *, times: int = 3) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def their_rouge(pairs: Sequence[Pair]) -> list[float]:
    rouge = Rouge(metrics=["rouge-l"])
    return [rouge.get_scores(said, gold)[0]["rouge-l"]["f"] for said, gold in pairs]


def their_bleu(pairs: Sequence[Pair]) -> list[float]:
    smooth, tokens = SmoothingFunction().method1, _tokens()
    return [
        float(sentence_bleu([tokens(g)], tokens(s), weights=(1, 0, 0, 0), smoothing_function=smooth)) for s, g in pairs
    ]


def _tokens() -> Callable[[str], Sequence[str]]:
    """`word_tokenize`, as the official code has it; the same words on untrained sentences where Punkt is missing."""
    if text.tokeniser("en") == "nltk-punkt_tab-en":
        return word_tokenize
    splitter, words = text._untrained(), text._words()
    return lambda said: [t for sentence in splitter.tokenize(said) for t in words.tokenize(sentence)]


def ours(pairs: Sequence[Pair], score: Callable[[str, str, str], float]) -> list[float]:
    return [score(said, gold, "en") for said, gold in pairs]


def timed(pairs: Sequence[Pair], score: Callable[[str, str, str], float]) -> float:
    """Seconds, the best of three. Output texts are new each time, reference tokens are kept: several models answer one
    case.
    """
    best = math.inf
    for _ in range(3):
        text._tokens.cache_clear()
        for _, gold in pairs:
            text.tokens(gold, "en")
        start = time.perf_counter()
        ours(pairs, score)
        best = min(best, time.perf_counter() - start)
    return best


def compare() -> None:
    chance = random.Random(1)
    pairs = [(made_text(chance, WORDS), made_text(chance, WORDS)) for _ in range(PAIRS)]
    print(f"{PAIRS} pairs of {WORDS} words, BLEU-1 tokens: {text.tokeniser('en')}")
    text._cached_sentences.cache_clear()
    theirs, mine = best(lambda: their_rouge(pairs)), timed(pairs, text.rouge_l)
    bleu, mine_bleu = best(lambda: their_bleu(pairs)), timed(pairs, text.bleu1)
    worst = max(abs(a - b) for a, b in zip(their_rouge(pairs), ours(pairs, text.rouge_l), strict=True))
    worst_bleu = max(abs(a - b) for a, b in zip(their_bleu(pairs), ours(pairs, text.bleu1), strict=True))
    print(f"  ROUGE-L  rouge {theirs:.2f} s, ours {mine:.3f} s: {theirs / mine:.1f} times; differ by {worst:.0e}")
    print(f"  BLEU-1   nltk  {bleu:.2f} s, ours {mine_bleu:.3f} s: {bleu / mine_bleu:.1f} times; by {worst_bleu:.0e}")
    print(f"  both     {theirs + bleu:.2f} s, ours {mine + mine_bleu:.3f} s: "
          f"{(theirs + bleu) / (mine + mine_bleu):.1f} times")  # fmt: skip


def long_text() -> None:
    chance = random.Random(2)
    said, gold = made_text(chance, LONG, stops=False), made_text(chance, LONG, stops=False)
    milliseconds = 1000 * best(lambda: text.rouge_l(said, gold, "en"))
    tracemalloc.start()
    text.rouge_l(said, gold, "en")
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{LONG} words without a full stop: {milliseconds:.1f} ms, {peak:.1f} MB")


def write_csv(path: Path, rows: int) -> None:
    """Explanations (overlap), diagnoses and entities, in turn."""
    chance = random.Random(3)
    texts = [made_text(chance, 60) for _ in range(400)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("task_id", "input", "GT", "output"))
        for i in range(rows):
            gold, said = texts[i % 400], f"{texts[(i * 7) % 397]} row{i}"
            writer.writerow((("task46", "task130", "task126")[i % 3], texts[0], gold, said))


def big_csv(folder: Path) -> None:
    cores, seconds = len(os.sched_getaffinity(0)), []
    for rows in SIZES:
        path, told = folder / f"x_m{rows}.csv", [0]
        write_csv(path, rows)
        start = time.perf_counter()
        score_files([path], seen=lambda path, rows, share, told=told: told.append(rows))
        seconds.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size, reports = path.stat().st_size / 1e6, len(told) - 1
        print(f"{rows:,} rows ({size:.0f} MB) on {cores} cores: {seconds[-1]:.1f} s, {reports} progress reports, "
              f"peak so far {peak:.0f} MB, largest worker {child:.0f} MB")  # fmt: skip
    growth = ", ".join(f"{b / a:.2f}" for a, b in pairwise(seconds))
    start = time.perf_counter()
    score_files([folder / f"x_m{SIZES[-1]}.csv"], workers=1)
    alone = time.perf_counter() - start
    print(f"  twice the rows cost {growth} times; one process {alone:.1f} s, {alone / seconds[-1]:.2f} times as long")


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        big_csv(Path(folder))
    compare()
    long_text()
