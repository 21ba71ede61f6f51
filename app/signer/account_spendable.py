"""What the hot wallet can still spend in one round, and what it lacks for more: plain arithmetic."""

import msgspec


class SpendableBalance(msgspec.Struct):
    """`free_raw`: by asset, what is on chain and not reserved for a transaction under way. `gas_left_raw`: how much
    of it, in the native coin, is the treasury's; gas is never paid out of merchants' money."""

    native: str
    free_raw: dict[str, int]
    gas_left_raw: int

    def shortage(self, asset: str, amount_raw: int, gas_raw: int) -> str | None:
        """What is lacking for a transfer now, in words for people; None where nothing is."""
        needed_raw = {asset: amount_raw}
        needed_raw[self.native] = needed_raw.get(self.native, 0) + gas_raw
        for symbol, raw in needed_raw.items():
            if self.free_raw.get(symbol, 0) < raw:
                gas_alone = symbol == self.native != asset
                return f"the hot wallet holds too little {symbol}{' for gas' if gas_alone else ''}"
        if self.gas_left_raw < gas_raw:
            return f"the treasury has too little {self.native} for gas: the hot wallet needs a top-up"
        return None

    def reserve(self, asset: str, amount_raw: int, gas_raw: int) -> None:
        """Reserve a transfer and its gas."""
        self.free_raw[asset] = self.free_raw.get(asset, 0) - amount_raw
        self.free_raw[self.native] = self.free_raw.get(self.native, 0) - gas_raw
        self.gas_left_raw -= gas_raw
