"""The page of published results: its layout. What it shows comes by the call in `published_events.py`."""

import gradio as gr

from playground.settings import Settings
from playground.ui import published_table, widgets
from playground.ui.published_events import Tables


def layout(settings: Settings, tables: Tables) -> None:
    """Build the page inside an open `gr.Blocks` route."""
    widgets.header("Published results", lasting=settings.lasting, heading="Published results", keys=False)
    with gr.Column(elem_id="cp-main", elem_classes="cp-main"):
        widgets.own({}, published_table.chooser(), "published", calls=(tables.table,))
        widgets.still(widgets.FOOT)
