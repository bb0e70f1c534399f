"""The command `playground`, and `python -m playground`. The collector rests while everything is loaded and is then told
that it stays: it would look through it again and again, a tenth of the start.
"""

import gc


def main() -> None:
    gc.disable()
    from playground.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
