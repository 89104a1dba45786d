"""`scorer push`: a model directory goes to the hub."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options
from scorer.config import PushConfig

_EXAMPLES: Final = (
    "scorer push models/latest ME/stars                # private, until its page says otherwise",
    "scorer push models/latest ME/stars --no-private --message 'Fitted on the reviews of May'",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("model", type=Place("dir"))
@click.argument("name")
@config_options(PushConfig, file=False)
def push(model: str, name: str, **settings: Any) -> None:
    """Send the directory MODEL, model card and report included, to the Hugging Face hub as NAME, which is OWNER/NAME.

    It is one commit, so nobody sees half of it. What is no sound model is refused before anything is sent. The token is
    that of HF_TOKEN or `hf auth login`, and may write.
    """
    config = PushConfig(model=model, name=name, **settings)
    config.check()
    from scorer.classifier.publication import push as send

    found = send(config)
    click.echo(f"{found.address}  {len(found.files)} files  commit {found.commit}", err=True)
    print_summary(found.as_dict())
