"""Start on a Hugging Face Space, or with `python app.py`. `playground serve` is the start for a server of your own."""

from playground.service import Playground
from playground.settings import from_environment
from playground.ui.app import build, launch

if __name__ == "__main__":
    with Playground.open(from_environment()) as playground:
        launch(playground, build(playground))
