"""A group of commands that are imported when they are run: all together, they would take two seconds."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from app.core import gc_tuning


class Place(NamedTuple):
    """Where a command is, and the line that help shows of it."""

    module: str
    attribute: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are in `places`, by name."""

    def __init__(self, *arguments: Any, places: Mapping[str, Place], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported now; None where there is none."""
        place = self.places.get(cmd_name)
        if place is None:
            return None
        with gc_tuning.importing():
            command: click.Command = getattr(import_module(place.module), place.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.places[name].help) for name in self.list_commands(ctx)])
