"""`scorer serve`: parse, serve until a signal comes, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, print_summary
from scorer.cli.options import config_options
from scorer.config import ServeConfig
from scorer.errors import ConfigError

# What the extra of this name installs.
_EXTRA = ("prometheus_client", "starlette", "uvicorn")


_EXAMPLES: Final = (
    "scorer serve",
    "scorer serve -m en=models/english -m de=models/german --port 9000 --token token.txt",
)


@click.command(cls=Command, examples=_EXAMPLES)
@config_options(ServeConfig, summary=False)
def serve(**settings: Any) -> None:
    """Answer over HTTP from one model or from several, until SIGTERM or Ctrl-C; what has arrived by then is answered.

    POST /predict, /v1/classify and /v2/models/NAME/infer; /info, /metrics, /ready; / is a page to try a text on. A
    model whose directory changes, as models/latest does after a fit, is taken without a pause.
    """
    config = ServeConfig(**settings)
    try:
        from scorer.serving.server import serve as serve_until_signal
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise ConfigError(f"serve needs {missing}, which is not installed; pip install 'scorer[serve]'") from error
    from scorer.runs.console import Console

    print_summary(serve_until_signal(config, Console(quiet=config.quiet)), quiet=config.quiet)
