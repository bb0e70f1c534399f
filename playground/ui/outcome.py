"""What came of a run -> HTML: scores, the reference, differences from it, names. Pure; knows no Gradio and no state."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from playground.scorer import Score, Scorer
from playground.ui.render import esc, note
from playground.views import ComparisonView, SideView

MARKS = re.compile(r"(\*\*|__|`+)|(?m:^\s*(?:#{1,6}|>|[*+-] |[|:\- ]+$))|\|")  # of Markdown, which are no words


def scores(view: ComparisonView, scorers: Sequence[Scorer], *, caveat: str) -> str:
    """A row a side: each metric, what was parsed and why, times, tokens, cost. Best marked where not all are equal."""
    best = {s.id: _best(view.sides, s.id) for s in scorers}
    heads = "".join(f'<th scope="col">{esc(s.title)} {_tip(s)}</th>' for s in scorers)
    heads += '<th scope="col">Parsed answer</th><th scope="col">Why</th>'
    heads += "".join(f'<th scope="col" class="cp-n">{h}</th>' for h in ("First token", "Total", "Tokens", "Cost"))
    rows = "".join(_score_row(side, scorers, best) for side in view.sides)
    told = f'<p class="cp-caveat"><b>Before you compare:</b> {esc(caveat)}</p>' if caveat else ""
    return (
        '<div class="cp-tablebox" tabindex="0" role="region" aria-label="Table of scores">'
        '<table class="cp-table cp-stack"><thead>'
        f'<tr><th scope="col">Model</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{told}'
    )


def _best(sides: Sequence[SideView], metric: str) -> float | None:
    values = {s.value for side in sides for s in side.scores if s.metric == metric and s.value is not None}
    return max(values) if len(values) > 1 else None


def _tip(scorer: Scorer) -> str:
    if not scorer.caveat:
        return ""
    about, words = f"About {esc(scorer.title)}: {esc(scorer.caveat)}", esc(scorer.caveat)
    return f'<button type="button" class="cp-tip" aria-label="{about}" data-tip="{words}">i</button>'


def _score_row(side: SideView, scorers: Sequence[Scorer], best: Mapping[str, float | None]) -> str:
    name = f'<th scope="row"><span class="cp-key">{side.key}</span> {esc(side.name)}</th>'
    if not side.scores and side.state in ("failed", "stopped"):
        words = "Failed" if side.state == "failed" else "Stopped"
        rest = f'<td colspan="{len(scorers) + 6}" class="cp-quiet">{words}: not scored, left out of every average.</td>'
        return f"<tr>{name}{rest}</tr>"
    found = {s.metric: s for s in side.scores}
    cells = "".join(
        f'<td data-h="{esc(s.title)}">{_figure(found.get(s.id), best[s.id])}</td>' for s in scorers
    )  # fmt: skip
    parsed = next((s.answer for s in reversed(side.scores) if s.answer), "")
    why = " ".join(dict.fromkeys(s.explanation for s in side.scores if s.explanation))
    cells += f'<td data-h="Parsed answer"><span class="cp-parsed">{esc(parsed[:200])}</span></td>'
    cells += f'<td data-h="Why" class="cp-why">{esc(why)}</td>'
    for head, words in zip(("First token", "Total", "Tokens", "Cost"), _facts(side), strict=True):
        cells += f'<td data-h="{head}" class="cp-n">{words}</td>'
    return f"<tr>{name}{cells}</tr>"


def _figure(score: Score | None, best: float | None) -> str:
    if score is None or score.value is None:
        words = score.explanation if score and score.explanation == "no reference" else "no single score"
        return f'<span class="cp-quiet">{words}</span>'
    variant = f"<small>{esc(score.variant)}</small>" if score.variant else ""
    if score.value == best:
        return f'<b class="cp-best">{score.value:.2f} <span>★ best</span></b>{variant}'
    return f"{score.value:.2f}{variant}"


def _facts(side: SideView) -> tuple[str, str, str, str]:
    tokens = "-" if side.output_tokens is None else f"{side.output_tokens}"
    cost = "unknown" if side.cost is None else f"{side.cost:.4f} {side.currency}" if side.currency else "none"
    first = "-" if side.first_token_s is None else f"{side.first_token_s:.2f} s"
    return first, "-" if side.seconds is None else f"{side.seconds:.1f} s", tokens, cost


def reference(text: str | None, answers: Iterable[tuple[str, str]], *, language: str) -> str:
    """The reference, and each answer against it by words."""
    if text is None:
        return note("off", "No reference", "This case has no reference answer, so there is nothing to compare with.")
    rows = "".join(
        f'<div><dt><span class="cp-key">{k}</span></dt><dd>{difference(text, t, language)}</dd></div>'
        for k, t in answers
    )
    shown = f'<p class="cp-reftext">{esc(text).replace(chr(10), "<br>")}</p>' if text else "<p>No entity.</p>"
    return (
        f'<section class="cp-ref" aria-label="Reference"><h3 class="cp-label">Reference</h3>{shown}'
        '<p class="cp-legend">Against the reference: <ins>only in the answer</ins> <del>only in the reference</del></p>'
        f"<dl>{rows}</dl></section>"
    )


def difference(right: str, said: str, language: str) -> str:
    """Word by word (Chinese and Japanese: by character): added is underlined, missing is struck through."""
    a, b = _pieces(right, language), _pieces(MARKS.sub(lambda m: "" if m[1] else " ", said[:20_000]), language)
    gap = "" if language in ("zh", "ja") else " "
    matcher = difflib.SequenceMatcher(
        a=[w.lower().strip(".,;:") for w in a], b=[w.lower().strip(".,;:") for w in b], autojunk=False
    )
    out: list[str] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            out.append(esc(gap.join(b[k:m])))
            continue
        if j > i:
            out.append(f'<del><span class="cp-sr">missing: </span>{esc(gap.join(a[i:j]))}</del>')
        if m > k:
            out.append(f'<ins><span class="cp-sr">added: </span>{esc(gap.join(b[k:m]))}</ins>')
    return gap.join(out) or '<span class="cp-quiet">empty</span>'


def _pieces(text: str, language: str) -> list[str]:
    return list("".join(text.split())) if language in ("zh", "ja") else text.split()


def names(sides: Sequence[SideView]) -> str:
    """What stood behind the letters, after the vote."""
    rows = "".join(f'<li><span class="cp-key">{s.key}</span> {esc(s.name)}</li>' for s in sides)
    return f'<ul class="cp-reveal" aria-label="Names">{rows}</ul>'
