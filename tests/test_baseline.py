"""The three floors: what they answer, and what they never look at."""

import random
import time

import pytest

from adapters import registry
from adapters.base import Example, GenerateConfig, Message, complete
from adapters.baseline import lead, split_sentences
from adapters.errors import BadRequest, UnknownModel

CONFIG = GenerateConfig(max_tokens=32)
CASES = (
    Example("A man of 61 with crushing chest pain and raised troponin.", "STEMI"),
    Example("A girl of 9 with an itchy rash behind the knees.", "Eczema"),
    Example("A woman of 30 with chest pain that gets better on leaning forward.", "Pericarditis"),
    Example("A boy of 4 with a scaly rash.", "Eczema"),
)


async def ask(name: str, text: str, cases: tuple[Example, ...] = CASES) -> str:
    adapter = registry.create(f"baseline/{name}", {}, examples=cases)
    messages = (Message("system", "Diagnose."), Message("user", f"Input:\n{text}\nOutput:"))
    return (await complete(adapter, messages, CONFIG)).text


async def test_majority_gives_the_most_frequent_answer() -> None:
    assert await ask("majority", "Something else.") == "Eczema"


async def test_majority_does_not_count_the_case_itself() -> None:
    text = CASES[3].input.replace(" ", "  ")  # spaces do not hide it
    assert await ask("majority", text, CASES[2:]) == "Pericarditis"


async def test_majority_takes_the_first_of_equals() -> None:
    assert await ask("majority", "Something else.", CASES[:3]) == "STEMI"


async def test_nearest_gives_the_answer_of_the_most_similar_case() -> None:
    assert await ask("nearest", "A man of 70 with crushing pain in the chest.") == "STEMI"
    assert await ask("nearest", "An itchy patch behind the knees of a girl.") == "Eczema"


async def test_nearest_never_gives_the_cases_own_answer() -> None:
    assert await ask("nearest", CASES[0].input) == "Pericarditis"


async def test_nearest_works_without_spaces_between_words() -> None:
    cases = (
        Example("女性，30岁，胸痛，前倾位缓解。", "心包炎"),
        Example("男性，61岁，压榨性胸痛，肌钙蛋白升高。", "心肌梗死"),
        Example("8歳の男児。膝の裏に痒い皮疹がある。", "アトピー性皮膚炎"),
    )
    assert await ask("nearest", "患者肌钙蛋白升高", cases) == "心肌梗死"
    assert await ask("nearest", "10歳の女児、痒い皮疹", cases) == "アトピー性皮膚炎"


async def test_nearest_takes_the_first_case_when_none_is_alike() -> None:
    assert await ask("nearest", "zzz") == "STEMI"


@pytest.mark.parametrize("name", ["majority", "nearest"])
async def test_without_another_case_the_fix_is_told(name: str) -> None:
    with pytest.raises(BadRequest, match="Add a second case"):
        await ask(name, CASES[0].input, CASES[:1])


async def test_lead_needs_no_case() -> None:
    assert await ask("lead", "One. Two. Three. Four.", ()) == "One. Two. Three."


def test_lead_stops_at_60_words_at_the_end_of_a_sentence() -> None:
    long = "word " * 40
    assert lead(f"{long}one. {long}two. Three.") == f"{long}one."


def test_lead_cuts_a_first_sentence_that_is_too_long() -> None:
    assert lead("word " * 90) == ("word " * 60).strip()


def test_lead_knows_chinese_and_japanese_sentences() -> None:
    text = "患者男，61岁。胸痛2小时。血压140/90mmHg。既往高血压。"
    assert lead(text) == "患者男，61岁。胸痛2小时。血压140/90mmHg。"
    assert len(lead("胸" * 500)) == 120


def test_sentences_do_not_end_in_abbreviations_and_numbers() -> None:
    text = "Dr. Smith saw drug A vs. none (e.g. on day 2). It is 38.5 C. Fine."
    assert split_sentences(text) == ["Dr. Smith saw drug A vs. none (e.g. on day 2). ", "It is 38.5 C. ", "Fine."]


async def test_baselines_always_say_the_same() -> None:
    assert {await ask("nearest", "chest pain") for _ in range(3)} == {"STEMI"}


def test_an_unknown_baseline_gets_a_hint() -> None:
    assert registry.unavailable("baseline/nearst", {}) == (
        "There is no baseline 'nearst'. Did you mean 'baseline/nearest'?"
    )
    with pytest.raises(UnknownModel):
        registry.create("baseline/nearst", {})


async def test_4000_cases_are_indexed_once_and_asked_in_milliseconds() -> None:
    draw = random.Random(1)
    words = [f"w{n}" for n in range(20_000)]
    weights = [1 / (n + 1) for n in range(20_000)]
    texts = [" ".join(draw.choices(words, weights, k=150)) for _ in range(4000)]
    cases = tuple(Example(text, str(n)) for n, text in enumerate(texts))
    adapter = registry.create("baseline/nearest", {}, examples=cases)
    await complete(adapter, (Message("user", texts[0]),), CONFIG)
    started = time.perf_counter()
    for number in range(1, 11):
        half = " ".join(texts[number].split()[:75])
        answer = await complete(adapter, (Message("user", half),), CONFIG)
        assert answer.text == str(number)
    assert (time.perf_counter() - started) / 10 < 0.1  # measured 4 ms; building takes 600 ms
