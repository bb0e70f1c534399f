"""Markup is made in one place, and nothing untrusted acts in it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import ServerFailed
from playground.scorers import scorer_named
from playground.ui import board, outcome, picker, render, theme
from playground.ui.form import rating_form
from playground.views import ComparisonView, ErrorView, SideView
from tests import samples

HOSTILE = (Path(__file__).parent / "browser" / "hostile.md").read_text(encoding="utf-8")
TAG = re.compile(r"<\s*/?\s*([a-zA-Z][\w-]*)([^>]*)>")
TEMPLATE = re.compile(r"[${}`]")


def assert_harmless(html: str) -> None:
    for name, attributes in TAG.findall(html):
        assert name in render.TAGS, name
        assert re.fullmatch(r'(\s+start="\d+")?\s*/?', attributes), attributes
    assert not TEMPLATE.search(html), "a template would evaluate this"


def test_a_hostile_answer_becomes_harmless_text() -> None:
    html = render.answer_html(HOSTILE)
    assert_harmless(html)
    assert "<strong>neutral</strong>" in html
    assert "http://evil.test/markdown.png" in html, "the words stay readable"


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=400) | st.from_regex(r"(<[a-z/!]{0,8}[^>]{0,20}>?|\[x\]\([^)]{0,20}\)|`{1,3}|\$\{x\}|\*\*){1,12}")
)
def test_no_text_at_all_makes_anything_else(text: str) -> None:
    assert_harmless(render.answer_html(text))


@given(st.text(max_size=200))
def test_escaped_text_is_inert_everywhere(text: str) -> None:
    escaped = render.esc(text)
    assert not re.search(r"""[<>"'`${}]""", escaped)


def test_markdown_is_kept() -> None:
    html = render.answer_html(
        "# Title\n\n**Bold** and *fine*\n\n3. three\n4. four\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    for part in ("<h4>Title</h4>", "<strong>Bold</strong>", '<ol start="3">', "<td>1</td>"):
        assert part in html


def test_a_very_long_answer_is_cut_with_a_word_about_it() -> None:
    html = render.answer_html("word " * 40_000)
    assert "more characters are stored" in html
    assert len(html) < 250_000


@pytest.mark.parametrize(
    ("right", "said", "expected"),
    [
        ("one two", "one two", "one two"),
        ("one two", "one", 'one <del><span class="cp-sr">missing: </span>two</del>'),
        ("one", "one two", 'one <ins><span class="cp-sr">added: </span>two</ins>'),
        ("One.", "one", "one"),
    ],
)
def test_the_difference_is_by_words(right: str, said: str, expected: str) -> None:
    assert outcome.difference(right, said, "en") == expected


def test_the_marks_of_markdown_are_no_difference() -> None:
    said = "## Result\n\n- The diagnosis is **Croup**.\n\n| a | b |\n|---|---|\n"
    found = outcome.difference("Result The diagnosis is Croup.", said, "en")
    assert "<del>" not in found
    assert re.sub(r"<[^>]+>", "", found) == "Result The diagnosis is Croup. added: a b"


def test_an_interview_is_read_line_by_line() -> None:
    asked = "; ".join(f"Do you have sign {n}? No" for n in range(8))
    shown = render.case(
        samples.task(inputs=("premise",), prompt="$premise"), samples.case(inputs={"premise": f"Age: 44; {asked}"})
    )
    assert "<li>Age: <b>44</b></li><li>Do you have sign 0? <b>No</b></li>" in shown


def test_a_long_instruction_and_many_labels_are_folded_and_still_whole() -> None:
    words = " ".join(f"Sentence {n} of the instruction." for n in range(30))
    labels = tuple(f"label {n}" for n in range(20))
    shown = render.case(samples.task(instruction=words, labels=labels), samples.case())
    first, rest = re.findall(r"<details.*?</details>", shown)
    plain = re.sub(r"<[^>]+>", "", first).replace(" Whole instruction", " ")
    assert " ".join(plain.split()) == words
    assert len(re.sub(r"<[^>]+>", "", first.partition("</summary>")[0])) < render.LONG_INSTRUCTION
    assert rest.count("<li>") == 20
    assert "<details" not in render.case(samples.task(), samples.case())


def test_the_caveat_of_a_task_stands_below_its_scores() -> None:
    html = outcome.scores(view(SideView(key="A", name="Good", state="done")), [scorer_named("label")], caveat="All no.")
    assert "Before you compare:</b> All no." in html
    assert "Before you compare" not in outcome.scores(view(), [], caveat="")


def test_a_message_without_a_full_stop_is_still_told_apart_from_its_fix() -> None:
    assert str(ServerFailed("It broke")) == "It broke. Try this side again."
    assert str(ServerFailed("It broke.", fix="Wait.")) == "It broke. Wait."


@pytest.mark.parametrize(("what", "fix"), [("Broken.", "Try again."), ("Broken. Try again.", "")])
def test_an_error_says_what_happened_then_what_to_do(what: str, fix: str) -> None:
    side = SideView(key="A", name="Bad", state="failed", error=ErrorView(what=what, fix=fix, retry=True))
    told = board.error_of(side)
    assert told["what"] == "Broken."
    assert told["fix"].startswith("Try again. This side is not scored")


def test_chinese_is_compared_by_characters() -> None:
    assert "<ins>" in outcome.difference("肺炎", "肺结核", "zh")
    assert outcome.difference("肺炎", "肺炎", "zh") == "肺炎"


def view(*sides: SideView, blind: bool = False) -> ComparisonView:
    return ComparisonView(
        id="r", task="pairs", case="one", blind=blind, was_blinded=blind, sides=sides, reference="neutral"
    )


def test_a_failed_side_is_left_out_of_scores() -> None:
    broken = ErrorView(what="No.", fix="Try.", retry=True)
    done = SideView(key="A", name="Good", state="done", text="neutral")
    failed = SideView(key="B", name="Bad", state="failed", error=broken)
    html = outcome.scores(view(done, failed), [scorer_named("label")], caveat="")
    assert "Failed: not scored, left out of every average." in html
    assert "★ best" not in html


def test_what_a_sealed_board_says_is_only_that_it_is_sealed() -> None:
    side = SideView(key="A", name="Answer A", state="done", text="x")
    value = board.after(view(side, blind=True), samples.task())
    assert value == {"names": "", "scores": "", "reference": "", "sealed": board.SEALED}


@pytest.mark.parametrize("sides", ["A", "AB", "ABC", "ABCD"])
def test_the_form_offers_every_answer_and_no_default(sides: str, tmp_path: Path) -> None:
    with samples.playground(tmp_path) as playground:
        instrument = playground.library.instrument("default")
    html = rating_form(instrument, sides)
    offered = set(re.findall(r'name="([\w.]+)" value="(\w+)"', html))
    for item in instrument.items:
        if item.kind == "preference" and len(sides) == 1:
            continue
        keys = [item.id] if item.kind == "preference" else [f"{item.id}.{side}" for side in sides]
        for key in keys:
            assert {value for name, value in offered if name == key} == set(item.values(sides))
    assert "checked" not in html


def test_the_picker_pages_through_many_cases(tmp_path: Path) -> None:
    with samples.playground(tmp_path) as playground:
        playground.store.import_cases([samples.case(f"m{n:04}", title=f"Imported {n}") for n in range(500)])
        library = playground.library
        first = picker.listed(library, {"task": "pairs"})
        assert (first["total"], len(first["cases"])) == (503, picker.PAGE)
        found = picker.listed(library, {"task": "pairs", "find": "Imported 499"})
        assert [c["id"] for c in found["cases"]] == ["m0499"]
        by_number = picker.listed(library, {"task": "pairs", "find": "503"})
        assert [c["id"] for c in by_number["cases"]] == ["m0499"]
        last = picker.place(library, "pairs", "m0499")
        assert (last["n"], last["next"]) == (503, None)


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_pair_of_colours_can_be_read(mode: str) -> None:
    tokens = theme.LIGHT if mode == "light" else theme.DARK
    for front, ground, least in theme.PAIRS:
        a, b = sorted((luminance(tokens[front]), luminance(tokens[ground])), reverse=True)
        assert (a + 0.05) / (b + 0.05) >= least, f"{front} on {ground}"


def test_only_the_theme_holds_colours() -> None:
    root = Path(render.__file__).parents[2]
    for path in (
        root / "assets" / "style.css",
        *(root / "playground" / "ui").rglob("*.py"),
        *(root / "playground" / "ui").rglob("*.js"),
    ):
        if path.name != "theme.py":
            found = re.findall(r"(?<!&)#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})\b", path.read_text(encoding="utf-8"))
            assert found == [], path
