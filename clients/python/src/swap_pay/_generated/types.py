"""What stands for a value that was left out."""

from __future__ import annotations

from typing import Literal


class Unset:
    """The type of `UNSET`. It is false."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Unset = Unset()

__all__ = ["UNSET", "Unset"]
