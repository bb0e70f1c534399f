"""`playground local`: pull and check models that run on this machine."""

from typing import Annotated

import typer
from rich.console import Console

from playground.service import Playground
from playground.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="Models that run on this machine.")
errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
Model = Annotated[str, typer.Argument(help="Hub id such as Henrychur/MMedS-Llama-3-8B, or a folder.")]


@app.command()
def pull(
    model: Model,
    quantisation: Annotated[str | None, typer.Option(help="nf4, int8 or none; default: as in models.yaml.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Make it anew even if it is here.")] = False,
) -> None:
    """Download what is needed, quantise, save. Later starts take seconds."""
    with Playground.open(from_environment()) as playground:
        weights = playground.local.pull(model, quantisation=quantisation, again=again, say=errors.print)
    out.print(str(weights.folder), soft_wrap=True)


@app.command()
def check(
    model: Model,
    task: Annotated[str, typer.Option(help="The task whose first case is answered.")] = "diagnosis",
) -> None:
    """Load a model, answer one case, and say what that took."""
    with Playground.open(from_environment()) as playground:
        found = playground.local.check(model, task=task, say=errors.print)
    first = "no token" if found.first_token_s is None else f"{found.first_token_s:.2f} s"
    speed = "not measured" if found.tokens_per_s is None else f"{found.tokens_per_s:.1f} tokens/s"
    weights = f"weights {found.weights / 1e9:.2f} GB on {found.device}"
    out.print(f"memory        {found.memory / 1e9:.2f} GB in this process, torch included; {weights}")
    out.print(f"load          {found.load_s:.1f} s")
    out.print(f"first token   {first}")
    out.print(f"speed         {speed}")
    usage = found.answer.usage
    out.print(f"tokens        {usage.input_tokens} in, {usage.output_tokens} out")
    out.print(f"answer        {found.answer.text}", markup=False)
