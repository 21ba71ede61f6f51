"""The sandbox's output: with colours and a progress bar in a terminal, as plain lines in a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

LABEL_WIDTH = 15


class Terminal:
    """Standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True, emoji=False)

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, style="dim", markup=False)

    def heading(self, text: str) -> None:
        """Print the heading of the next step."""
        self._console.print()
        self._console.print(text, style="bold", markup=False)

    def fact(self, label: str, value: str) -> None:
        """Print a named value, not shortened, so that it can be copied."""
        self._console.print(f"  {label:<{LABEL_WIDTH}}", style="cyan", markup=False, end="")
        self._console.print(value, markup=False)

    def done(self, text: str) -> None:
        """Print a check that passed."""
        self._console.print(f"  ✓ {text}", style="green", markup=False)

    @contextmanager
    def counting(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar up to `total`; without a terminal, one line per change."""
        if not self._console.is_terminal:
            yield self._counting_in_lines(label, total)
            return
        columns = (TextColumn(f"  {{task.description:<{LABEL_WIDTH}}}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(label, total=total)
            yield lambda reached: progress.update(task, completed=min(reached, total))

    def _counting_in_lines(self, label: str, total: int) -> Callable[[int], None]:
        said = -1

        def reach(reached: int) -> None:
            nonlocal said
            if (now := min(reached, total)) != said:
                said = now
                self.fact(label, f"{now}/{total}")

        return reach
