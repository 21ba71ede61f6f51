"""The assets that the ledgers refer to, and what paying with each costs a customer.

Assets are updated from the networks file at start, and never deleted.
"""

from piccolo.columns import BigSerial, Serial
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


class NetworkFee(Table, tablename="network_fees"):
    """What a plain payment with an asset cost a customer when the network was last asked, in minor units of its own
    coin (`CustomerFee` of app/networks/port.py)."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    fee_raw = columns.raw_amount()
    coin = columns.words(20)
    coin_decimals = columns.number()
    looked_at = columns.moment()

    network_fees_once = Unique(["network", "asset"])
    network_fees_sane = Check("fee_raw >= 0 AND coin_decimals BETWEEN 0 AND 36")
