"""Text -> tokens, cut as the official MedS-Bench code cuts it for BLEU-1 and ROUGE-L. Knows no metric.

English, Spanish, French and Russian: English Punkt sentences, then NLTK's word tokeniser; Chinese: jieba; Japanese:
janome. Each is built once, on first use. `punkt_tab` is looked for at call time and never downloaded.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from playground.task import Language

Tokens = tuple[str, ...]
Cut = Callable[[str], Tokens]
TRAINED, UNTRAINED = "nltk-punkt_tab-en", "nltk-punkt-untrained"
MODEL = Path("tokenizers", "punkt_tab", "english")
REFERENCES, ANSWERS = 1024, 16  # texts whose tokens are kept; bounded, so that memory stays flat


class Contexts(dict[str, int]):
    """Punkt's spelling contexts. NLTK's own dictionary grows with every unknown word it is asked for; this does not."""

    def __missing__(self, word: str) -> int:
        return 0


def punkt_folder() -> Path | None:
    """The first folder of NLTK_DATA, then of NLTK's defaults, that holds the English model; None where none does."""
    return next((folder for folder in _folders() if (folder / MODEL / "ortho_context.tab").is_file()), None)


def _folders() -> Iterator[Path]:
    import nltk.data

    named = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    for folder in dict.fromkeys(filter(None, [*named, *nltk.data.path])):
        yield Path(folder)


@lru_cache(maxsize=4)
def _english(folder: Path | None) -> tuple[str, Cut]:
    """Name and function for one folder's model; the untrained one where NLTK refuses or misses the folder."""
    import nltk.data
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

    if folder and str(folder) not in nltk.data.path:
        nltk.data.path.insert(0, str(folder))
    name, sentences, words = UNTRAINED, PunktSentenceTokenizer(), NLTKWordTokenizer()
    if folder:
        try:
            name, sentences = TRAINED, PunktTokenizer("english")
        except LookupError:  # a folder that others may write to, or a model with a file missing
            name, sentences = UNTRAINED, PunktSentenceTokenizer()
    parameters = sentences._params  # not public: NLTK has no other way to say which model to use
    parameters.ortho_context = Contexts(parameters.ortho_context)  # type: ignore[assignment]

    def cut(text: str) -> Tokens:
        return tuple(token for sentence in sentences.tokenize(text) for token in words.tokenize(sentence))

    return name, cut


@lru_cache(maxsize=1)
def _chinese() -> tuple[str, Cut]:
    import jieba

    jieba.setLogLevel(logging.WARNING)  # it announces its dictionary on standard error
    segmenter = jieba.Tokenizer()
    return "jieba", lambda text: tuple(segmenter.cut(text))


@lru_cache(maxsize=1)
def _japanese() -> tuple[str, Cut]:
    from janome.tokenizer import Tokenizer

    segmenter, lock = Tokenizer(wakati=True), threading.Lock()  # its word cache is not safe between threads

    def cut(text: str) -> Tokens:
        with lock:
            return tuple(str(token) for token in segmenter.tokenize(text))

    return "janome", cut


def _segmenter(language: Language) -> tuple[str, Cut]:
    if language == "zh":
        return _chinese()
    return _japanese() if language == "ja" else _english(punkt_folder())


def variant(language: Language) -> str:
    """`nltk-punkt_tab-en`, `nltk-punkt-untrained`, `jieba` or `janome`: what a BLEU-1 was counted with."""
    return _segmenter(language)[0]


def answer_tokens(text: str, language: Language) -> Tokens:
    """Tokens of an answer; the last few are kept, for the metrics that share them."""
    return _answers(text, language, variant(language))


def reference_tokens(text: str, language: Language) -> Tokens:
    """Tokens of a reference, kept (bounded) because many models are compared with the same one."""
    return _references(text, language, variant(language))


@lru_cache(maxsize=ANSWERS)
def _answers(text: str, language: Language, name: str) -> Tokens:
    return _segmenter(language)[1](text)


@lru_cache(maxsize=REFERENCES)
def _references(text: str, language: Language, name: str) -> Tokens:
    return _segmenter(language)[1](text)


def clear() -> None:
    """Forget kept tokens and models, as a measurement needs it."""
    for kept in (_answers, _references, _english, _chinese, _japanese):
        kept.cache_clear()
