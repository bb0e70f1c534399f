"""Text made comparable: case, accents, punctuation, Markdown and spelling variants; knows no scorer."""

import re
import unicodedata

SPELLINGS = {  # the label sets' own spelling <- what a careful writer writes
    "laryngospasm": "larygospasm", "signalling": "signaling", "tumour": "tumor", "oedema": "edema",
    "anaemia": "anemia", "diarrhoea": "diarrhea", "haemorrhage": "hemorrhage", "enetity": "entity",
}  # fmt: skip
NEGATIONS = (
    "not", "no", "without", "never", "neither", "nor", "unlikely", "excluded", "excludes", "exclude", "against",
    "rather than", "instead of", "ruled out", "rules out", "rule out", "less likely", "isn t", "is not", "cannot be",
)  # fmt: skip
ACCENTS = re.compile("([a-z])[\u0300-\u036f]+")
NO_WORDS = re.compile(r"[\W_]+")
NO_ASCII_WORDS = str.maketrans({chr(n): " " for n in range(128) if not chr(n).isalnum()})  # the same, ten times faster
CLAUSE = re.compile(r"[.;:!?\n]| but | however | although | whereas |, (?=not |but )")


def plain(text: str) -> str:
    """Lower case without accents, punctuation and Markdown; single spaces; known spellings unified."""
    folded = text.casefold()
    if folded.isascii():
        words = folded.translate(NO_ASCII_WORDS).split()
    else:
        folded = ACCENTS.sub(r"\1", unicodedata.normalize("NFKD", folded))
        folded = unicodedata.normalize("NFC", folded)  # kana and Cyrillic keep their marks: が is not か
        words = NO_WORDS.sub(" ", folded).split()
    return " ".join([SPELLINGS.get(word, word) for word in words])


def clauses(text: str) -> list[str]:
    """Pieces within which a negation holds, each made plain."""
    return [p for piece in CLAUSE.split(text.casefold()) if (p := plain(piece))]


def holds(sequence: str, text: str) -> bool:
    """Whether plain words stand in plain text as whole words."""
    return f" {sequence} " in f" {text} "


def negated(before: str) -> bool:
    """Whether the plain words just before a mention take it back (within five words)."""
    near = " ".join(before.split()[-5:])
    return any(holds(word, near) for word in NEGATIONS)


def without_frame(text: str) -> str:
    """Markdown marks out, one lead-in such as `Answer:` kept for the caller."""
    return re.sub(r"[*_`#>]+", " ", text).strip()
