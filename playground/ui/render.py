"""Values -> sanitised HTML; pure functions, the only place that makes markup. Knows no Gradio and no state.

Model text is untrusted: Markdown is rendered without HTML, links and images, then cleaned again by nh3; the characters
that a template would evaluate become entities.
"""

import re
from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt

from playground.task import RAW, Case, Task
from playground.views import ModelView, PromptView

LONGEST = 100_000  # characters of an answer that are rendered
LONG_INSTRUCTION = 320  # characters; beyond, only its beginning is unfolded
MANY_LABELS = 12  # beyond, the list is folded
TAGS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "h4", "h5", "h6", "table",
    "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
INERT = {ord("$"): "&#36;", ord("{"): "&#123;", ord("}"): "&#125;", ord("`"): "&#96;"}


def _markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 20})
    reader.enable(["table", "strikethrough"])
    return reader.disable(["image", "link", "autolink", "reference", "html_inline", "html_block"])


_MARKDOWN = _markdown()


def esc(text: object) -> str:
    """Text for an element or an attribute; nothing in it acts, not even in a template."""
    return escape(str(text), quote=True).translate(INERT)


def answer_html(text: str) -> str:
    """Untrusted Markdown -> formatting only: no link, image, script, style, form, id or heading above h4."""
    html = _MARKDOWN.render(text[:LONGEST])
    html = re.sub(r"<(/?)h[1-3]\b", r"<\1h4", html)
    clean = nh3.clean(html, tags=TAGS, attributes={"ol": {"start"}}, url_schemes=set(), link_rel=None)
    cut = f"<p>... {len(text) - LONGEST:,} more characters are stored.</p>" if len(text) > LONGEST else ""
    return clean.translate(INERT) + cut


def header(current: str, pages: Sequence[tuple[str, str]], *, lasting: bool, heading: str, keys: bool = True) -> str:
    """Brand, pages, what is kept, theme, and the help of a page that has `keys`."""
    links = "".join(f'<a href="{esc(p)}"{" aria-current=page" if n == current else ""}>{esc(n)}</a>' for n, p in pages)
    kind, words = ("ok", "Kept on this machine") if lasting else ("warn", "Not kept: this Space forgets at restart")
    help_button = '<button class="cp-icon" type="button" data-cp="help" aria-label="Keyboard help">?</button>'
    nav = f'<nav aria-label="Pages">{links}</nav>' if len(pages) > 1 else ""
    return (
        '<a class="cp-skip" href="#cp-main">Skip to the content</a><div class="cp-header"><span class="cp-brand">'
        '<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><rect x="1" y="1" width="22" height="22" '
        'rx="6"/><path d="M6 8h5M6 12h5M6 16h3M14 8h4M14 12h4M14 16h2"/></svg>Clinical task playground</span>'
        f'{nav}<span class="cp-spacer"></span><span class="cp-notice">Research only, not for clinical use</span>'
        f'<span class="cp-badge {kind}">{words}</span>'
        '<button class="cp-icon" type="button" data-cp="theme" aria-label="Light or dark">◐</button>'
        f"{help_button if keys else ''}</div>"
        f'<h1 class="cp-sr">{esc(heading)}</h1>'
    )


def note(kind: str, title: str, text: str, *, button: str = "", act: str = "") -> str:
    """One box for every state that needs words; kind is ok, warn, bad, off or busy."""
    live = "alert" if kind == "bad" else "status"
    control = f'<button type="button" data-act="{esc(act)}">{esc(button)}</button>' if button else ""
    return f'<div class="cp-note {kind}" role="{live}"><b>{esc(title)}</b><p>{esc(text)}</p>{control}</div>'


def plain_note(sentence: str, *, kind: str = "bad") -> str:
    """A note of one sentence: its first part is the title, the rest says what to do."""
    first, dot, rest = sentence.partition(". ")
    return note(kind, first + ("." if dot else ""), rest)


def models(items: Sequence[ModelView]) -> str:
    """The static markup of the model list; the component fills in what is chosen."""
    ready = [m for m in items if m.unavailable is None]
    off = [m for m in items if m.unavailable is not None]
    folded = ""
    if off:
        is_open = "" if ready else " open"
        rows = "".join(map(_model, off))
        folded = f"<details{is_open}><summary>{len(off)} not available here</summary>{rows}</details>"
    return (
        '<fieldset class="cp-models"><legend><span class="cp-label">Models</span> '
        f'<span class="cp-count" role="status"></span></legend>{"".join(map(_model, ready))}{folded}</fieldset>'
    )


def _model(m: ModelView) -> str:
    if m.unavailable is not None:
        badge = f'<span class="cp-badge off">unavailable: {esc(m.unavailable)}</span>'
        return (
            f'<div class="cp-model off"><label><input type="checkbox" value="{esc(m.model)}" disabled>'
            f"<span><b>{esc(m.label)}</b></span>{badge}</label></div>"
        )
    out = f'<span class="cp-badge out">sends data to {esc(m.sends_to)}</span>'
    badge = out if m.sends_to else '<span class="cp-badge ok">on this machine</span>'
    words = f"<small>{esc(m.note)}</small>" if m.note else ""
    return (
        f'<div class="cp-model"><label><input type="checkbox" value="{esc(m.model)}" data-label="{esc(m.label)}"><span>'
        f"<b>{esc(m.label)}</b>{words}</span>{badge}</label>"
        f'<span class="cp-extra" data-for="{esc(m.model)}"></span></div>'
    )


def case(task: Task, shown: Case, *, example: bool = True) -> str:
    """The case at full length, its inputs by name, its labels below."""
    tags = [t for t in (shown.source, shown.licence, shown.difficulty or "") if t] if example else ["your own"]
    chips = "".join(f'<span class="cp-chip">{esc(_short(t))}</span>' for t in tags)
    rows = "".join(f"<div><dt>{esc(_name(k))}</dt><dd>{_value(v)}</dd></div>" for k, v in shown.inputs.items())
    if task.labels and len(task.labels) > 2:
        rows += f"<div><dt>Labels</dt><dd>{_labels(task.labels)}</dd></div>"
    language = "" if task.language == "en" else f' lang="{task.language}"'
    return (
        f'<section class="cp-case" aria-labelledby="cp-case-h"><h2 id="cp-case-h">{esc(shown.title or shown.id)} '
        f"{chips}</h2>{_instruction(task.instruction)}<dl{language}>{rows}</dl></section>"
    )


def _instruction(text: str) -> str:
    """The instruction; of a long one the first sentences, the rest folded."""
    words = " ".join(text.split())
    if len(words) <= LONG_INSTRUCTION:
        return f'<p class="cp-quiet">{esc(words)}</p>'
    cut = words.find(". ", 120) + 1 or words.find("; ", 120) + 1
    if not 0 < cut <= LONG_INSTRUCTION:
        cut = words.rfind(" ", 0, LONG_INSTRUCTION)
    return (
        f'<details class="cp-fold cp-quiet"><summary>{esc(words[:cut])} <span class="cp-change">Whole instruction'
        f"</span></summary><p>{esc(words[cut:].strip())}</p></details>"
    )


def _labels(labels: Sequence[str]) -> str:
    listed = f'<ul class="cp-inline">{"".join(f"<li>{esc(label)}</li>" for label in labels)}</ul>'
    if len(labels) <= MANY_LABELS:
        return listed
    return (
        f'<details class="cp-fold"><summary><span class="cp-change">{len(labels)} labels</span></summary>'
        f"{listed}</details>"
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _name(key: str) -> str:
    return "Case" if key == RAW else key.replace("_", " ")


def _value(text: str) -> str:
    """Paragraphs; a tab-separated options line becomes a list, a `;`-separated interview a line for each answer."""
    if "\t" in text:
        before, options = _split_options(text)
        listed = "".join(f"<li>{esc(o.strip())}</li>" for o in options if o.strip())
        return f'{_paragraphs(before) if before else ""}<ul class="cp-options">{listed}</ul>'
    if text.count("; ") > 6:
        return f'<ul class="cp-interview">{"".join(map(_said, text.split("; ")))}</ul>'
    return _paragraphs(text)


def _said(line: str) -> str:
    """`Do you cough? No` -> question and answer told apart by weight."""
    asked, mark, answer = line.partition("? ")
    if not mark:
        asked, mark, answer = line.partition(": ")
    return f"<li>{esc(asked + mark)}<b>{esc(answer)}</b></li>" if mark else f"<li>{esc(line)}</li>"


def _split_options(text: str) -> tuple[str, list[str]]:
    before, _, last = text.rpartition("\n") if "\n" in text.strip() else ("", "", text)
    options = last.split("\t")
    if before and "\t" not in last:
        return text, []
    return before, options


def _paragraphs(text: str) -> str:
    blocks = (b for b in re.split(r"\n\s*\n", text.strip()) if b.strip())
    return "".join(f"<p>{esc(b).replace(chr(10), '<br>')}</p>" for b in blocks)


def prompt(shown: PromptView) -> str:
    """The exact messages, as plain text, with their hash."""
    parts = "".join(
        f'<h2 class="cp-label">{esc(role)}</h2><pre class="cp-prompt">{esc(content)}</pre>'
        for role, content in shown.messages
    )
    used = f"Demonstrations: {', '.join(shown.demonstrations)}. " if shown.demonstrations else "No demonstrations. "
    return (
        f'<div class="cp-case" tabindex="0" role="region" aria-label="Prompt as sent">{parts}'
        f'<p class="cp-quiet">{esc(used)}SHA-256 {esc(shown.sha256)}, stored with every answer.</p></div>'
    )
