"""Addresses by embit alone: where bdkpython has no wheel."""

from embit import base58, bech32, bip32, script

from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork


def parse(text: str, network: BitcoinNetwork) -> tuple[str, bytes] | None:
    """An address in canonical form, and its script; None where it isn't one of the network."""
    known = PARAMETERS[network]
    if text[: len(known.hrp) + 1].lower() == f"{known.hrp}1":
        version, program = bech32.decode(known.hrp, text)
        if version is None:
            return None
        return text.lower(), bytes([version + 0x50 if version else 0, len(program), *program])
    try:
        payload = base58.decode_check(text)
    except Exception:  # embit raises many kinds
        return None
    if len(payload) != 21 or base58.encode_check(payload) != text:
        return None
    if payload[0] == known.p2pkh:
        return text, b"\x76\xa9\x14" + payload[1:] + b"\x88\xac"
    if payload[0] == known.p2sh:
        return text, b"\xa9\x14" + payload[1:] + b"\x87"
    return None


class Receiving:
    """The receiving addresses of an account: /0/i below its key."""

    def __init__(self, account: bip32.HDKey, network: BitcoinNetwork, address_type: AddressType) -> None:
        self._chain = account.derive([0])
        self._hrp = PARAMETERS[network].hrp
        self._script = script.p2wpkh if address_type == "p2wpkh" else script.p2tr

    def at(self, index: int) -> str:
        """Address number `index`, from 0 to 2^31 - 1."""
        return str(self._script(self._chain.child(index).key).address({"bech32": self._hrp}))
