"""A comparison's view -> the data the board component draws. Knows no Gradio; what a blinded view lacks cannot appear.

Value: {phase, run, receivers, note, sides: [...], after: {...} or None, form: {...} or None}; phases are empty, ask,
line, running, done. The script `components/board.js` turns texts into text nodes; only `html` is markup.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from playground.instrument import Instrument
from playground.library import Library
from playground.scorers import scorer_named
from playground.task import Task
from playground.ui import outcome, render
from playground.ui.form import rating_form
from playground.views import ComparisonView, SideView

STATES: Mapping[str, tuple[str, str]] = {  # state -> word and mark; the mark repeats it for who does not see the colour
    "waiting": ("Waiting", "○"), "answering": ("Answering", "◐"), "done": ("Done", "✓"), "failed": ("Failed", "✕"),
    "stopped": ("Stopped", "■"), "cut off": ("Cut off at the limit", "✂"), "refused": ("Declined to answer", "–"),
}  # fmt: skip
NO_ANSWERS = '<div class="cp-empty"><b>No answers yet.</b><p>Choose two to four models, then press Run.</p></div>'
TOGETHER = render.note(
    "busy", "The sides are answering.", "All answers appear together, so that speed gives nothing away."
)
SEALED = render.note(
    "off",
    "Names, scores, times and costs come after your rating.",
    "They stay on the server until then. After the rating is saved it cannot be changed for this run.",
)
NOTHING_SENT = "Nothing was sent to a model."
Value = dict[str, Any]


def empty() -> Value:
    return _value("empty", note=NO_ANSWERS)


def problem(sentence: str, *, before: Value | None = None) -> Value:
    """A note for what went wrong before a model was asked; answers already on the board stay."""
    kept = {k: v for k, v in (before or {}).items() if k in ("run", "sides", "after", "form")}
    return {**_value("done" if kept.get("sides") else "empty", note=render.plain_note(sentence)), **kept}


def ask(receivers: Sequence[str]) -> Value:
    """Before a visitor's own text leaves the machine."""
    who = " and ".join(receivers)
    words = f"The chosen models are run by {who}. Send it only if it holds no patient data."
    box = render.note("warn", "This text would leave the machine.", words, button=f"Send to {who}", act="agree")
    return {**_value("ask", note=box), "receivers": list(receivers)}


def line(ticket: str, ahead: int) -> Value:
    """While a run waits for its place."""
    words = "1 run is ahead of yours." if ahead == 1 else f"{ahead} runs are ahead of yours."
    box = render.note(
        "busy", f"Busy: {words}", "It starts by itself. Keep this page open.", button="Leave the queue", act="leave"
    )
    return _value("line", run=ticket, note=box)


def _value(phase: str, *, run: str = "", note: str = "") -> Value:
    return {"phase": phase, "run": run, "receivers": [], "note": note, "sides": [], "after": None, "form": None}


class Writer:
    """Views of one run -> values; a finished answer is rendered once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._html: dict[tuple[str, str], str] = {}

    def has(self, view: ComparisonView) -> bool:
        """Whether every finished answer of this view is rendered already."""
        return all(side.live or (side.key, side.text) in self._html for side in view.sides)

    def value(self, view: ComparisonView, *, form: Mapping[str, Any] | None = None) -> Value:
        """The board of a view. `form` is the visitor's state of the rating form."""
        running = not view.finished
        value = _value("running" if running else "done", run=view.id)
        value["note"] = TOGETHER if running and view.blind else ""
        value["sides"] = [self._side(side, blind=view.blind) for side in view.sides]
        if running:
            return value
        task = self._library.task(view.task)
        value["after"] = after(view, task)
        if view.rateable:
            value["form"] = form_value(view, self._library.instrument(view.instrument), form or {})
        return value

    def _side(self, side: SideView, *, blind: bool) -> Value:
        word, mark = STATES[side.state]
        html = None
        if not side.live and (side.text or side.state != "failed"):
            html = self._finished(side)
        note = side.status or side.notice
        if side.state == "waiting" and not note and not blind:
            note = "Waiting for the first word."
        return {
            "key": side.key,
            "name": side.name,
            "state": side.state.replace(" ", "-"),
            "word": word,
            "mark": mark,
            "text": side.text if side.live or html is None else "",
            "html": html,
            "facts": _facts(side),
            "note": note,
            "error": None if side.error is None else error_of(side),
        }

    def _finished(self, side: SideView) -> str:
        key = (side.key, side.text)
        if key not in self._html:
            empty_words = '<p class="cp-quiet">The answer is empty. It counts as an answer and scores 0.</p>'
            if side.state == "stopped":
                empty_words = (
                    '<p class="cp-quiet">Stopped before the first word. It is not scored and cannot be rated.</p>'
                )
            self._html[key] = render.answer_html(side.text) if side.text.strip() else empty_words
        return self._html[key]


def error_of(side: SideView) -> dict[str, Any]:
    """What happened on a failed side, what to do, and that the others are not touched."""
    assert side.error is not None
    more = (
        ""
        if "cannot be rated" in side.error.what
        else "This side is not scored and cannot be rated; the others are not affected."
    )
    what, dot, rest = side.error.what.partition(". ")  # a stored error holds its fix in the same line
    fix = " ".join(words for words in (rest, side.error.fix, more) if words)
    return {"what": what + dot.strip(), "fix": fix, "retry": side.error.retry}


def _facts(side: SideView) -> str:
    facts = [] if side.seconds is None else [f"{side.seconds:.1f} s"]
    facts += [f"{side.output_tokens} tokens"] if side.output_tokens else []
    return "  ".join(facts)


def after(view: ComparisonView, task: Task) -> Value:
    """Scores, reference and names; of a sealed run nothing but the sentence that says so."""
    if view.blind:
        return {"names": "", "scores": "", "reference": "", "sealed": SEALED}
    answers = [(s.key, s.text) for s in view.sides if s.state != "failed"]
    return {
        "names": outcome.names(view.sides) if view.was_blinded else "",
        "scores": outcome.scores(view, [scorer_named(name) for name in task.scorers], caveat=task.caveat),
        "reference": outcome.reference(view.reference, answers, language=task.language),
        "sealed": "",
    }


def form_value(view: ComparisonView, instrument: Instrument, state: Mapping[str, Any]) -> Value:
    """The rating form of a run with this visitor's draft or rating."""
    return {
        "html": rating_form(instrument, view.rateable),
        "comparison": view.id,
        "answers": dict(state.get("answers") or {}),
        "comment": state.get("comment") or "",
        "uuid": state.get("uuid") or "",
        "saved": state.get("saved"),
        "closed": view.voting_closed,
    }
