"""The table of faults. Each is small, plausible, and would cost somebody money, a key or their trust."""

from tests.mutation.table import Fault

FAULTS: tuple[Fault, ...] = ()
