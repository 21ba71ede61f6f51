"""The assets that the ledgers refer to: updated from the networks file at start, never deleted."""

from piccolo.columns import Serial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns


class Asset(Table, tablename="assets"):
    """A symbol on a network. `contract` is null for the native coin. `decimals` never changes once used."""

    id = Serial(primary_key=True)
    network = columns.words(40)
    symbol = columns.words(20)
    contract = columns.words(64, null=True)
    decimals = columns.number()

    assets_symbol_once = Unique(["network", "symbol"])
    assets_contract_once = Unique(["network", "contract"])
    decimals_sane = Check("decimals BETWEEN 0 AND 30")
