"""The start of `swap-pay`, and of `python -m app.cli`."""

import gc
import sys

FOR_DEVELOPERS = ("listen", "events", "trigger", "check-integration")
"""The commands of `developers.py`, which start without what the others need."""


def main() -> None:
    """Import the commands, then run the one that was typed.

    An import makes objects that stay: collecting garbage meanwhile finds nothing, and takes a sixth of the start.
    """
    gc.disable()
    if sys.argv[1:2] and sys.argv[1] in FOR_DEVELOPERS:
        from app.cli.developers import developers as commands  # noqa: PLC0415 - not before collections are off
    else:
        from app.cli.main import main as commands  # noqa: PLC0415 - as above

    gc.enable()
    commands()


if __name__ == "__main__":
    main()
