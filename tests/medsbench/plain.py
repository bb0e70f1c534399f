"""The official metrics once more, in the plainest way: tables in place of bits, lists in place of counters.

Written from the rules (decision 70 for what the official scripts cannot score), slow on purpose, and sharing no code
with what ships. `plain_*` functions take strings and give 0..1, or 0 and 1.
"""

import math
import re
from collections.abc import Iterable, Sequence

import jieba
from janome.tokenizer import Tokenizer
from nltk.tokenize import word_tokenize
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

HALLMARKS = [
    "Sustaining proliferative signaling", "Evading growth suppressors", "Resisting cell death",
    "Enabling replicative immortality", "Inducing angiogenesis", "Activating invasion and metastasis",
    "Genomic instability and mutation", "Tumor promoting inflammation", "Cellular energetics",
    "Avoiding immune destruction",
]  # fmt: skip
MISSING = ["", "nan", "NaN", "None", "NA", "N/A", "n/a", "null", "NULL", "<NA>", "#N/A"]
JANOME = Tokenizer()


def plain_tokens(text: str, language: str, *, trained: bool) -> list[str]:
    if language == "zh":
        return list(jieba.cut(text))
    if language == "ja":
        return [token.surface for token in JANOME.tokenize(text)]
    if trained:
        return word_tokenize(text)  # English, whatever the language, as the official code has it
    sentences = PunktSentenceTokenizer().tokenize(text)
    return [token for sentence in sentences for token in NLTKWordTokenizer().tokenize(sentence)]


def plain_bleu1(said: Sequence[str], gold: Sequence[str]) -> float:
    left, matches = list(gold), 0
    for word in said:
        if word in left:
            left.remove(word)
            matches += 1
    if not matches:
        return 0.0
    shorter = math.exp(1 - len(gold) / len(said)) if len(said) < len(gold) else 1.0
    return shorter * matches / len(said)


def plain_rouge_l(said: str, gold: str, language: str) -> float:
    if language in ("zh", "ja"):
        said, gold = (" ".join(plain_tokens(text, language, trained=False)) for text in (said, gold))
    theirs, right = (
        [re.sub(r"\s+", " ", piece).strip().split(" ") for piece in text.split(".") if piece != ""]
        for text in (said, gold)
    )
    if not theirs or not right:
        return 0.0
    shared = {word for r in right for h in theirs for word in common(r, h)}
    precision = shared_of(shared, theirs)
    recall = shared_of(shared, right)
    return 2 * precision * recall / (precision + recall + 1e-8)


def shared_of(shared: set[str], sentences: Iterable[Sequence[str]]) -> float:
    return len(shared) / len({word for sentence in sentences for word in sentence})


def common(x: Sequence[str], y: Sequence[str]) -> list[str]:
    """The words of one longest common subsequence: of several, the one that the package's way back finds."""
    table = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    for i, a in enumerate(x, 1):
        for j, b in enumerate(y, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    words, i, j = [], len(x), len(y)
    while i > 0 and j > 0:
        if x[i - 1] == y[j - 1]:
            words.append(x[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


def plain_mcqa(task: str, said: str, gold: str) -> int:
    letters = []
    for text in (said, gold):
        rest = re.sub("the right answer is", "", text.lower()).strip()
        letters.append(rest[0] if rest else "?")
    allowed = ["y", "n"] if task == "task123" else ["a", "b", "c", "d"]
    return int(letters[0] in allowed and letters[0] == letters[1])


def plain_extraction(said: str, gold: str) -> int:
    found, asked = (re.sub("[\"'\n]", "", text.lower().strip()) for text in (said, gold))
    return int(asked == "" or found.count(asked) > 0)


def plain_frame(said: str, gold: str, frame: str) -> int:
    label = gold.replace(".", "").replace(frame, "").strip().lower()
    return int(said.lower().find(label) >= 0)


def plain_outcome(said: str, gold: str) -> int:
    words = [word for word in ("true", "false") if word in said.lower()]
    return int(words == [gold.lower().strip()])


def plain_fact(said: str, gold: str) -> int:
    first = re.match("[^\n]*", said)
    return int(first is not None and gold.replace(".", "").strip().lower() in first.group().lower().strip())


def plain_entities(text: str) -> set[str]:
    body = "".join(c for c in text if c != ".").strip().lower()
    return set() if body == "there is no related enetity" else set(body[: max(0, len(body) - 1)].split(", "))


def plain_ner(rows: Iterable[tuple[str, str]]) -> float:
    """Micro-F1 in percent over (output, gold); a missing output misses every entity of its gold."""
    right = said = wanted = 0
    for output, gold in rows:
        found = set() if output in MISSING else plain_entities(output)
        right += len(found & plain_entities(gold))
        said += len(found)
        wanted += len(plain_entities(gold))
    return 100 * 2 * right / (said + wanted) if right else 0.0


def plain_hallmarks(rows: Sequence[tuple[str, str]]) -> tuple[float, float, float]:
    """Macro precision, recall and F1 in percent over (output, gold)."""
    sums = [0.0, 0.0, 0.0]
    for label in HALLMARKS:
        said = [label.lower() in output.lower() for output, _ in rows]
        gold = [label.lower() in right.lower() for _, right in rows]
        both = sum(a and b for a, b in zip(said, gold, strict=True))
        precision, recall = (both / sum(side) if sum(side) else 0.0 for side in (said, gold))
        f1 = 2 * precision * recall / (precision + recall) if both else 0.0
        sums = [a + b for a, b in zip(sums, (precision, recall, f1), strict=True)]
    return sums[0] * 10, sums[1] * 10, sums[2] * 10
