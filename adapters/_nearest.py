"""Which of many texts is most like one: an inverted index of tf-idf weights; knows nothing of cases or answers.

Terms are lower-case words, and pairs of neighbouring characters where a script puts no spaces (Chinese, Japanese).
Weight (1 + ln tf) * ln((1 + N) / (1 + df)), likeness = cosine. Memory grows with the text.
"""

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence

from adapters._pace import CJK

TERM = re.compile(rf"[{CJK}]+|[^\W{CJK}_]+")
HAN = re.compile(rf"[{CJK}]")


def terms(text: str) -> Counter[str]:
    """Counts of the terms of `text`."""
    found: Counter[str] = Counter()
    for run in TERM.findall(text.lower()):
        if HAN.match(run) and len(run) > 1:
            found.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found[run] += 1
    return found


class Index:
    """Built once for `texts`; asked often."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._plain = [" ".join(t.split()) for t in texts]
        self._where: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._weight: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))
        counted = [terms(t) for t in texts]
        seen = Counter(term for counts in counted for term in counts)
        self._rarity = {term: math.log((1 + len(texts)) / (1 + df)) for term, df in seen.items()}
        for number, counts in enumerate(counted):
            for term, weight in self._vector(counts).items():
                self._where[term].append(number)
                self._weight[term].append(weight)

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        """Weights of known terms, scaled to length 1; terms in every text weigh nothing and are left out."""
        raw = {t: (1 + math.log(n)) * r for t, n in counts.items() if (r := self._rarity.get(t, 0.0)) > 0}
        length = math.sqrt(sum(w * w for w in raw.values()))
        return {t: w / length for t, w in raw.items()} if length else {}

    def nearest(self, text: str) -> int | None:
        """Number of the text most like `text`, the first of equals; texts equal to it do not count. None: no other."""
        plain = " ".join(text.split())
        likeness = [0.0] * len(self._plain)
        for term, weight in self._vector(terms(text)).items():
            for number, other in zip(self._where[term], self._weight[term], strict=True):
                likeness[number] += weight * other
        others = (n for n, own in enumerate(self._plain) if own != plain)
        return max(others, key=likeness.__getitem__, default=None)
