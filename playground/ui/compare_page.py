"""The Compare page: its layout, top to bottom in the order of work. What happens is in `compare_events.py`."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.service import Playground
from playground.task import Task
from playground.ui import board, picker, render, widgets
from playground.ui.compare_calls import Calls

MOST_INPUTS = 3  # named inputs of a task; a test holds the tasks to it
OWN_INFO = "No patient data. Before it goes to a model outside this machine, you are asked."


@dataclass(frozen=True, kw_only=True)
class ComparePage:
    """The components that events read and write."""

    pick: gr.HTML
    case: gr.HTML
    prompt: gr.HTML
    own_on: gr.Checkbox
    own: tuple[gr.Textbox, ...]
    own_reference: gr.Textbox
    models: gr.HTML
    blind: gr.Checkbox
    temperature: gr.Number
    max_tokens: gr.Number
    seed: gr.Number
    shots: gr.Radio
    settings: gr.Accordion
    run: gr.Button
    stop: gr.Button
    board: gr.HTML


def layout(playground: Playground, calls: Calls) -> ComparePage:
    """Build the page inside an open `gr.Blocks`."""
    listed = playground.compare.models()
    start = picker.first(playground.library)
    lasting = playground.settings.lasting
    widgets.header("Compare", lasting=lasting, heading="Compare models on one case")
    with gr.Column(elem_id="cp-main", elem_classes="cp-main"):
        pick = widgets.own(start, picker.markup(playground.library), "picker", calls=(calls.cases, calls.place))
        with gr.Row(elem_classes="cp-setup"):
            with gr.Column(scale=7, min_width=340), gr.Tabs():
                with gr.Tab("Case"):
                    case = widgets.still("")
                with gr.Tab("Prompt as sent"):
                    prompt = widgets.still("")
                with gr.Tab("Your own case"):
                    own_on, own, reference = _own_case()
            with gr.Column(scale=5, min_width=320, elem_classes="cp-side-col"):
                chosen = [{"model": m.model, "temperature": None} for m in listed if m.unavailable is None][:2]
                models = widgets.own(chosen, render.models(listed), "models")
                blind = gr.Checkbox(
                    label="Hide model names until I have rated",
                    info="Sides become A to D in random order.",
                    elem_id="cp-blind",
                )
                temperature, max_tokens, seed, shots, settings = _settings()
                with gr.Row(elem_classes="cp-actions"):
                    run = gr.Button("Run", variant="primary", size="lg", elem_id="cp-run")
                    stop = gr.Button("Stop", variant="stop", size="lg", elem_id="cp-stop", interactive=False)
        shown = widgets.own(
            board.empty(),
            widgets.BOARD,
            "rating",
            "board",
            calls=(calls.save, calls.draft, calls.stop),
            elem_id="cp-board",
        )
        widgets.still(widgets.FOOT)
    return ComparePage(
        pick=pick, case=case, prompt=prompt, own_on=own_on, own=own, own_reference=reference, models=models,
        blind=blind, temperature=temperature, max_tokens=max_tokens, seed=seed, shots=shots, settings=settings,
        run=run, stop=stop, board=shown,
    )  # fmt: skip


def _own_case() -> tuple[gr.Checkbox, tuple[gr.Textbox, ...], gr.Textbox]:
    on = gr.Checkbox(label="Run this text instead of the example", elem_id="cp-own-on")
    boxes = tuple(
        gr.Textbox(label="Case", lines=6, info=OWN_INFO, visible=i == 0, elem_id=f"cp-own-{i}")
        for i in range(MOST_INPUTS)
    )
    reference = gr.Textbox(
        label="Reference answer (optional)",
        lines=2,
        info='Without one, scores that need it say "no reference".',
        elem_id="cp-own-reference",
    )
    for box in boxes:  # typing means that this text is to be run; decided in the browser
        box.change(None, [*boxes], on, js="(...texts) => [texts.some((t) => t && t.trim())]", api_visibility="private")
    return on, boxes, reference


def _settings() -> tuple[gr.Number, gr.Number, gr.Number, gr.Radio, gr.Accordion]:
    """Numbers, not sliders: exact, and a slider's white thumb at 0 cannot be seen."""
    with gr.Accordion("Settings: temperature 0, no examples", open=False, elem_id="cp-settings") as settings:
        with gr.Row():
            temperature = gr.Number(0, label="Temperature", info="0 to 2", step=0.1, min_width=120)
            tokens = gr.Number(0, label="Most tokens", info="0: as the task says", precision=0, min_width=120)
            seed = gr.Number(0, label="Seed", info="for the examples", precision=0, min_width=120)
        shots = gr.Radio(["0", "1", "2", "3"], value="0", label="Examples shown to the model", elem_id="cp-shots")
    return temperature, tokens, seed, shots, settings


def own_boxes(task: Task) -> list[Any]:
    """The boxes of a pasted case as this task names its inputs."""
    updates = []
    for i in range(MOST_INPUTS):
        if i < len(task.inputs):
            name = task.inputs[i].replace("_", " ").capitalize()
            updates.append(gr.Textbox(label=name, visible=True, info=OWN_INFO if i == 0 else None))
        else:
            updates.append(gr.Textbox(visible=False, value=""))
    return updates
