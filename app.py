"""Start on a Hugging Face Space, or with `python app.py`. `playground serve` is the start for a server of your own."""

import sys

from playground.errors import BadInput, PlaygroundError
from playground.service import Playground
from playground.settings import from_environment
from playground.ui.app import build, launch


def main() -> None:
    """Start the page; what cannot be used becomes one plain line and an exit code, as in `playground`."""
    try:
        with Playground.open(from_environment()) as playground:
            launch(playground, build(playground))
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, BadInput) else 1)


if __name__ == "__main__":
    main()
