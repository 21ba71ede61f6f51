"""The digest that an operator approves and the signer checks: it covers every field that could be tampered with."""

import msgspec

from app.core.canonical import canonical_json
from app.core.crypto import sha256


class Intent(msgspec.Struct, frozen=True):
    """The payment to make: asset, amount, destination. The amount is in minor units, without the fee."""

    id: str
    asset: str
    network: str
    amount_raw: int
    destination: str
    destination_memo: str | None


def digest(intent: Intent) -> bytes:
    """SHA-256 over the RFC 8785 form of id, asset, network, raw amount, destination and memo (contract, 4)."""
    return sha256(
        canonical_json(
            {
                "id": intent.id,
                "asset": intent.asset,
                "network": intent.network,
                "amount_raw": str(intent.amount_raw),
                "destination": intent.destination,
                "destination_memo": intent.destination_memo,
            }
        )
    )
