"""`python -m playground.cli`: the same as the installed command."""

from playground.cli import main

main()
