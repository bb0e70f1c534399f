"""Our own components: `gr.HTML` with static markup, a value of plain data, and one script each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from playground.settings import ROOT
from playground.ui import render, theme

SCRIPTS = Path(__file__).parent / "components"
SAY = "(name, detail) => window.dispatchEvent(new CustomEvent('cp:' + name, { detail }))"
PAGES = (("Compare", "./"), ("Published results", "./published"))
FOOT = (
    '<footer class="cp-foot-page"><p>For research on language models. Not for clinical use: no answer here is advice '
    "for a patient.</p></footer>"
)
SHELL = f"window.cp ??= {{ keys: [], say: {SAY} }};\n"
BOARD = (
    '<h2 class="cp-h2">Answers <span role="status" class="cp-status"></span></h2><div class="cp-noteslot"></div>'
    '<div class="cp-tabs" role="group" aria-label="Answer shown"></div><div class="cp-sides"></div>'
    '<div class="cp-after" hidden><div class="cp-names"></div><section class="cp-open" aria-labelledby="cp-scores-h">'
    '<h2 class="cp-h2" id="cp-scores-h">Scores</h2><div class="cp-scores"></div><label class="cp-switch">'
    '<input type="checkbox" id="cp-reference"> Show the reference and the differences <kbd aria-hidden="true">R</kbd>'
    '</label><div class="cp-reference" hidden></div></section><div class="cp-sealed"></div>'
    '<section class="cp-ratebox" aria-labelledby="cp-rating-h"><h2 class="cp-h2" id="cp-rating-h">Your rating</h2>'
    '<div class="cp-rating"></div></section>'
    '<p class="cp-unrated cp-quiet">No answer of this run can be rated.</p></div>'
)


def script(*names: str) -> str:
    """The scripts of a component, in order, after what they all share."""
    return SHELL + "\n".join((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names)


def own(value: Any, markup: str, *names: str, calls: tuple[Callable[..., Any], ...] = (), **props: Any) -> gr.HTML:
    """A component whose markup never changes: `${markup}` is not evaluated again, `{{...}}` is never used."""
    return gr.HTML(
        value,
        html_template="${markup}",
        js_on_load=script(*names),
        apply_default_css=False,
        server_functions=list(calls) or None,
        markup=markup,
        **props,
    )


def still(html: str, **props: Any) -> gr.HTML:
    """Markup without a script."""
    return gr.HTML(html, apply_default_css=False, js_on_load=None, **props)


def header(current: str, *, lasting: bool, heading: str, keys: bool = True) -> gr.HTML:
    """The bar at the top, with the way to every page."""
    return still(render.header(current, PAGES, lasting=lasting, heading=heading, keys=keys), elem_classes="cp-top")


def page_options() -> Mapping[str, Any]:
    """What Gradio takes at launch or mount time: theme, style sheet, shell script."""
    css = (ROOT / "assets" / "style.css").read_text(encoding="utf-8")
    shell = (SCRIPTS / "page.js").read_text(encoding="utf-8")
    return {
        "theme": theme.theme(),
        "head": f"<style>{theme.tokens_css()}{css}</style>",
        "js": shell.replace("() => {", f"() => {{ {SHELL.strip()}", 1),
    }
