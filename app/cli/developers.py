"""The commands for a merchant's developers. They use the public API alone, and need no setting of the gateway.

They start in a third of a second, since they import neither database nor web framework: `swap-pay` asks
here first, before it imports all the others (`__main__.py`).
"""

import click

from app.cli.check_integration import check_integration
from app.cli.events import events
from app.cli.listen import listen
from app.cli.trigger import trigger

COMMANDS = (listen, events, trigger, check_integration)


def register(main: click.Group) -> None:
    """Add the commands."""
    for command in COMMANDS:
        main.add_command(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def developers() -> None:
    """Swap Pay: tools for those who integrate it."""


register(developers)
