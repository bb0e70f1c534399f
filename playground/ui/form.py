"""An instrument -> the markup of its rating form: native radio buttons in fieldsets. Pure; knows no Gradio."""

from collections.abc import Sequence

from playground.instrument import CANNOT_JUDGE, NONE, TIE, Instrument, Item, Option
from playground.ui.render import esc

CANNOT = Option(value=CANNOT_JUDGE, label="?", help="Cannot judge")


def rating_form(instrument: Instrument, sides: Sequence[str]) -> str:
    """The form for one to four sides; one side has no preference. Answers are named `item` or `item.SIDE`."""
    parts = [_preference(item, sides) for item in instrument.items if item.kind == "preference" and len(sides) > 1]
    tabs = "".join(f'<button type="button" data-formtab="{s}" aria-pressed="false">Rate {s}</button>' for s in sides)
    if len(sides) > 1:
        parts.append(f'<div class="cp-formtabs" role="group" aria-label="Answer to rate">{tabs}</div>')
    head = "".join(f'<span data-side="{s}"><span class="cp-key">{s}</span></span>' for s in sides)
    rows = "".join(_row(item, instrument, sides) for item in instrument.items if _stands_alone(item))
    matrix = f'<div class="cp-mrow cp-mhead" aria-hidden="true"><small>? means cannot judge</small>{head}</div>{rows}'
    comment = (
        f'<label class="cp-comment"><b>{esc(instrument.comment)}</b> <small>optional; no patient data</small>'
        '<textarea name="comment" rows="2" maxlength="10000"></textarea></label>'
    )
    foot = (
        '<div class="cp-foot"><div class="cp-missing" role="status" aria-live="polite"></div>'
        '<span class="cp-saved" role="status" aria-live="polite" data-kind="idle">Nothing rated yet</span>'
        '<button type="submit" class="cp-primary">Save rating <kbd aria-hidden="true">Enter</kbd></button></div>'
    )
    return (
        f'<form class="cp-form" style="--n:{len(sides)}" novalidate aria-label="Rating">{"".join(parts)}'
        f'<div class="cp-matrix">{matrix}</div>{comment}{foot}</form>'
    )


def _stands_alone(item: Item) -> bool:
    return item.kind != "preference" and not item.when


def _preference(item: Item, sides: Sequence[str]) -> str:
    many = len(sides) > 2
    choices = [(s, f"{s} is best" if many else f"{s} is better", s) for s in sides]
    choices += [(TIE, "Tie", "T"), (NONE, "All unacceptable" if many else "Both unacceptable", "U")]
    choices += [(CANNOT_JUDGE, "Cannot judge", "N")]
    labels = "".join(
        f'<label><input type="radio" name="{item.id}" value="{v}"><span>{esc(words)}'
        f'<kbd aria-hidden="true">{k}</kbd></span></label>'
        for v, words, k in choices
    )
    return (
        f'<fieldset class="cp-pref" data-name="{item.id}" data-title="Preference"><legend>{esc(item.title)}</legend>'
        f"<div>{labels}</div></fieldset>"
    )


def _row(item: Item, instrument: Instrument, sides: Sequence[str]) -> str:
    then = [other for other in instrument.items if item.id in other.when]
    lines = [f"{o.label} {o.help}" for o in item.options if o.help and item.kind == "scale"]
    lines += [item.help] if item.help else []
    lines += [f"{o.label.lower()}: {o.help}" for o in item.options if o.help and item.kind == "choice"]
    help_text = "<br>".join(esc(line) for line in lines)
    cells = "".join(
        f'<div data-side="{s}">{_cell(item, s)}{"".join(_cell(other, s) for other in then)}</div>' for s in sides
    )
    wide = " cp-mchoice" if item.kind == "choice" else ""
    return (
        f'<div class="cp-mrow{wide}"><div class="cp-item"><b>{esc(item.title)}</b><small>{help_text}</small></div>'
        f"{cells}</div>"
    )


def _cell(item: Item, side: str) -> str:
    """One line of one side. An item with `when` is hidden until the answer it waits for, and shows its title."""
    name = f"{item.id}.{side}"
    radios = "".join(_radio(name, option, item.kind) for option in (*item.options, CANNOT))
    waits = ""
    if item.when:
        other, values = next(iter(item.when.items()))
        waits = f' hidden data-when="{esc(other)}.{side}" data-values="{esc(" ".join(values))}"'
    hidden = "" if item.when else ' class="cp-sr"'
    legend = f'<legend{hidden}>{esc(item.title)}<span class="cp-sr">, answer {side}</span></legend>'
    kind = " cp-then" if item.when else ""
    return (
        f'<fieldset class="cp-cell{kind}" data-name="{name}" data-side="{side}" '
        f'data-title="{esc(item.short)} of {side}"{waits}>{legend}'
        f'<span class="cp-opts">{radios}</span></fieldset>'
    )


def _radio(name: str, option: Option, kind: str) -> str:
    words = f"{option.label}, {option.help}" if option.help and option.value != CANNOT_JUDGE else option.label
    words = option.help if option.value == CANNOT_JUDGE else words
    cls = ' class="na"' if option.value == CANNOT_JUDGE else ""
    return (
        f'<label{cls}><input type="radio" name="{name}" value="{esc(option.value)}" aria-label="{esc(words)}">'
        f'<span aria-hidden="true">{esc(option.label)}</span></label>'
    )
