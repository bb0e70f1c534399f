"""Recorded answers: reading result files of others and run files of ours, and finding the right answer again."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from adapters import registry
from adapters.base import Example, GenerateConfig, Message, Usage, complete, messages_sha256
from adapters.errors import AdapterError, BadRequest, Unavailable
from adapters.recordings import Recorded, Unreadable, case_text, model_name, read_results_csv, read_run_file

SAMPLE = Path(__file__).parents[2] / "shared/data/medsbench_rationale_sample.csv"
CONFIG = GenerateConfig(max_tokens=32)
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nInput:\nQuestion: old\n\nOutput:\nold answer\n\n\n"
    "Explain.Please learn.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nInput:\nQuestion: new\nOptions: A, B\n"
    "Output:<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)


def csv_file(folder: Path, text: str, name: str = "EN_Rationale_Some-Model.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def run_file(folder: Path, *rows: dict[str, Any], tail: str = "") -> Path:
    path = folder / "run.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail, encoding="utf-8")
    return path


def row(case: str = "c1", text: str = "recorded", model: str = "openai/gpt-test", **more: Any) -> dict[str, Any]:
    return {"model": model, "task": "nli", "case": case, "text": text, "error": None, "input": f"text of {case}"} | more


def messages(text: str) -> tuple[Message, ...]:
    return (Message("system", "Explain."), Message("user", f"Input:\n{text}\nOutput:"))


async def answer(path: Path, text: str, **options: Any) -> str:
    return (await complete(registry.create(f"replay/{path}", options), messages(text), CONFIG)).text


def test_what_a_chat_model_was_given_is_reduced_to_the_case() -> None:
    assert case_text(LLAMA) == "Question: new\nOptions: A, B"
    assert (
        case_text("<|im_start|>system\nx<|im_end|>\n<|im_start|>user\nthe case<|im_end|>\n<|im_start|>assistant\n")
        == "the case"
    )
    assert case_text("<s>[INST] <<SYS>>be brief<</SYS>>\n\nthe case [/INST]") == "the case"
    assert case_text("Input:\nold\n\nOutput:\nold answer\n\n\nExplain.\nInput:\nnew\nOutput:") == "new"
    assert case_text("[INST] Input:\nA form.\nInput: none\nOutput: [/INST]") == "A form.\nInput: none"
    assert case_text("the case, with an Input: in it") == "the case, with an Input: in it"


LEARN = "Please learn from the few-shot cases to see what content you have to output."
SHOTS = f"Input:\nold\n\nOutput:\nold answer\n\n\nExplain.{LEARN}"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (str([{"role": "user", "content": f'{SHOTS}\nInput:\nIt\'s "new"\nOutput:\n'}]), 'It\'s "new"'),
        (str([{"role": "system", "content": "s"}, {"role": "user", "content": "the case"}]), "the case"),
        (str({"system": SHOTS, "user": "Input:\nnew\n\nInput: none\nOutput:\n"}), "new\n\nInput: none"),
        (f"<s>[INST] {SHOTS}\nInput:\nnew\nOutput:\n [/INST]", "new"),
        (f"<s>{SHOTS}\nInput:\nnew\n\nInput: none\nOutput:\n", "new\n\nInput: none"),
        ("{'age': 40}", "{'age': 40}"),
        ("[{'role': 'user', 'content': 'torn", "[{'role': 'user', 'content': 'torn"),
    ],
)
def test_messages_that_the_official_code_wrote_out_are_reduced_too(prompt: str, expected: str) -> None:
    assert case_text(prompt) == expected


def test_a_results_file_is_read_with_newlines_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = f'\ufefftask_id,input,GT,output\r\ntask52,"{LLAMA}","a ""b"", c\nd",nan\r\ntask54,質問,,\r\n'
    assert read_results_csv(csv_file(tmp_path, text)) == [
        Recorded(task_id="task52", input="Question: new\nOptions: A, B", target='a "b", c\nd', output="nan", row=0),
        Recorded(task_id="task54", input="質問", target="", output="", row=1),
    ]


def test_columns_may_stand_in_another_order_beside_others(tmp_path: Path) -> None:
    path = csv_file(tmp_path, ",output,GT,task_id,input\n0,o,g,t,i\n")
    assert read_results_csv(path) == [Recorded(task_id="t", input="i", target="g", output="o", row=0)]


def test_a_cell_may_be_larger_than_the_csv_modules_limit(tmp_path: Path) -> None:
    path = csv_file(tmp_path, f'task_id,input,GT,output\nt,"{"x" * 300_000}",g,o\n')
    assert len(read_results_csv(path)[0].input) == 300_000


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"id,question\n1,2\n", 1, "no column task_id, input, GT, output"),
        (b"", 1, "no column"),
        (b"task_id,input,GT,output\nt,i,g,o\nt,i,g\n", 3, "3 cells in place of 4"),
        (b'task_id,input,GT,output\nt,i,g,"o\n', 2, "unexpected end of data"),
        (b"task_id,input,GT,output\nt,\xff,g,o\n", None, "not UTF-8"),
    ],
)
def test_an_unreadable_file_names_file_line_and_reason(
    tmp_path: Path, content: bytes, line: int | None, says: str
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as error:
        read_results_csv(path)
    assert error.value.line == line
    assert str(error.value).startswith("broken.csv" + (f", line {line}:" if line else ":"))
    assert says in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"gone.csv: No such file"):
        read_results_csv(tmp_path / "gone.csv")


def test_a_results_file_is_named_after_its_model() -> None:
    assert model_name(Path("a/EN_Rationale_MMedS-Llama3.csv")) == "MMedS-Llama3"
    assert model_name(Path("results.csv")) == "results"


async def test_an_answer_is_found_by_the_cases_text_whatever_stands_around_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path, f'task_id,input,GT,output\nt,"{LLAMA}",g,the recorded answer\n')
    assert await answer(path, "Question:  new\nOptions: A,\nB ") == "the recorded answer"
    adapter = registry.create(f"replay/{path}", {})
    bare = (Message("system", "x"), Message("user", "Question: new\nOptions: A, B"))
    done = await complete(adapter, bare, CONFIG)
    assert (done.text, done.model, done.stop_reason) == ("the recorded answer", "Some-Model", "stop")
    assert done.parameters == {"recorded_in": path.name}


async def test_a_case_that_is_not_in_the_file_is_told_with_the_fix(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "task_id,input,GT,output\nt,i,g,o\n")
    with pytest.raises(AdapterError, match=r"holds no answer to this case\. Choose a case of that file"):
        await answer(path, "another case")


async def test_one_text_asked_in_several_tasks_keeps_its_answers_apart(tmp_path: Path) -> None:
    rows = (
        "task1,Both.,adults,participants\ntask2,Both.,aspirin,intervention\n"
        "task1,Same.,not found,participants again\ntask2,Same.,not found,intervention again\n"
    )
    path = csv_file(tmp_path, f"task_id,input,GT,output\n{rows}")

    async def said(text: str, *cases: Example) -> str:
        return (await complete(registry.create(f"replay/{path}", {}, examples=cases), messages(text), CONFIG)).text

    one = (Example("Both.", "adults"), Example("Same.", "not found"))
    two = (Example("Both.", "aspirin"), Example("Same.", "not found"))
    assert [await said(text, *one) for text in ("Both.", "Same.")] == ["participants", "participants again"]
    assert [await said(text, *two) for text in ("Both.", "Same.")] == ["intervention", "intervention again"]
    with pytest.raises(BadRequest, match="holds no answer to this case"):
        await said("Both.", Example("Both.", "pain at 6 weeks"))


async def test_a_run_of_ours_answers_by_the_hash_of_its_prompt_first(tmp_path: Path) -> None:
    exact = messages_sha256(messages("text of c1"))
    path = run_file(tmp_path, row(text="other shots", prompt_sha256="0" * 64), row(text="exact", prompt_sha256=exact))
    assert await answer(path, "text of c1") == "exact"
    path = run_file(tmp_path, row(text="by text", prompt_sha256="0" * 64))
    assert await answer(path, "text of c1") == "by text"


async def test_what_was_recorded_with_the_answer_comes_back(tmp_path: Path) -> None:
    path = run_file(
        tmp_path, {"type": "manifest", "tasks": ["nli"]},
        row(stop_reason="length", usage={"input_tokens": 5, "output_tokens": 2}, model_returned="gpt-test-2026"),
    )  # fmt: skip
    done = await complete(registry.create(f"replay/{path}", {}), messages("text of c1"), CONFIG)
    assert (done.stop_reason, done.model) == ("length", "gpt-test-2026")
    assert done.usage == Usage(input_tokens=5, output_tokens=2)


async def test_a_recorded_failure_is_a_failure_unless_a_later_attempt_answered(tmp_path: Path) -> None:
    path = run_file(tmp_path, row(text="", error="It broke."))
    with pytest.raises(AdapterError, match="recorded as failed: It broke"):
        await answer(path, "text of c1")
    path = run_file(tmp_path, row(text="", error="It broke."), row(text="second try"))
    assert await answer(path, "text of c1") == "second try"


async def test_of_several_models_in_a_run_one_must_be_named(tmp_path: Path) -> None:
    path = run_file(tmp_path, row(text="a", model="openai/a"), row(text="b", model="openai/b"))
    with pytest.raises(BadRequest, match=r"Say which one: replay/run.jsonl#openai/a"):
        await answer(path, "text of c1")
    assert await answer(path, "text of c1", recorded_model="openai/b") == "b"
    assert await answer(Path(f"{path}#openai/a"), "text of c1") == "a"
    with pytest.raises(BadRequest, match="It has openai/a, openai/b"):
        await answer(path, "text of c1", recorded_model="openai/c")


def test_a_torn_last_line_is_left_out_but_a_broken_one_before_it_is_told(tmp_path: Path) -> None:
    assert len(read_run_file(run_file(tmp_path, row(), tail='{"model": "op'))) == 1
    with pytest.raises(Unreadable, match=r"run.jsonl, line 2: not a line of JSON"):
        read_run_file(run_file(tmp_path, row(), tail='{"model": "op\n' + json.dumps(row()) + "\n"))


async def test_an_unreadable_file_fails_its_own_side_with_file_and_line(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "task_id,input,GT,output\nt,i\n")
    with pytest.raises(BadRequest, match="line 2: 2 cells"):
        await answer(path, "i")


def test_a_missing_file_makes_the_model_unavailable() -> None:
    assert "There is no file gone.csv. Check the path" in (registry.unavailable("replay/gone.csv", {}) or "")
    with pytest.raises(Unavailable):
        registry.create("replay/gone.csv", {})


async def test_a_long_answer_streams_in_small_pieces_at_the_pace_that_is_set(tmp_path: Path) -> None:
    text = "word " * 9 + "胸痛两小时。"
    path = csv_file(tmp_path, f"task_id,input,GT,output\nt,i,g,{text}\n")
    adapter = registry.create("replay/some-model", {"path": str(path), "tokens_per_second": 100})
    started = time.monotonic()
    pieces = [chunk.text async for chunk in adapter.stream(messages("i"), CONFIG) if chunk.text]
    assert "".join(pieces) == text
    assert len(pieces) >= 12
    assert time.monotonic() - started > 0.1


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of a real results file is not on this machine")
async def test_every_row_of_a_real_results_file_is_found_again() -> None:
    rows = read_results_csv(SAMPLE)
    assert [r.row for r in rows] == list(range(60))
    assert not [r for r in rows if "<|" in r.input or r.input.startswith("Input:") or r.input.endswith("Output:")]
    adapter = registry.create(f"replay/{SAMPLE}", {})
    for recorded in rows:
        assert (await complete(adapter, messages(recorded.input), CONFIG)).text == recorded.output
