"""What a row of the table of faults is, and what makes a row usable."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, put into the code by hand.

    `old` stands exactly once in `file` and becomes `new`. `harm` is what would happen to somebody. `noticed_by` are
    tests each of which must fail then, as few and as fast as there are: node ids below `tests/`.
    """

    file: str
    old: str
    new: str
    harm: str
    noticed_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The fault's name in output and on the command line: the file and the start of the changed text."""
        return f"{self.file}: {' '.join(self.old.split())[:60]}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The tests' node ids, as pytest takes them from the project's root."""
        return tuple(f"tests/{node}" for node in self.noticed_by)

    def applied(self, source: str) -> str:
        """The file's text with the fault in it. Raises ValueError where the row does not fit the text any more."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(
                f"{self.name}: the text stands {found} times in the file, not once: bring the row up to date"
            )
        changed = source.replace(self.old, self.new)
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise ValueError(f"{self.name}: with the fault the file is no Python: {error}") from None
        return changed
