"""The start of `swap-pay`, and of `python -m app.cli`."""

from app.core import gc_tuning


def main() -> None:
    """Import the commands, then run the one that was typed."""
    with gc_tuning.importing():
        from app.cli.main import main as commands  # noqa: PLC0415 - while no garbage is looked for
    commands()


if __name__ == "__main__":
    main()
