"""`python -m scorer` is the command `scorer`."""

from scorer.cli.main import run

run()
