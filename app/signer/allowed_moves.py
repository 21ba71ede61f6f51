"""What the signer may do beside payments and ordinary sweeps: consolidations, dear sweeps, moves of its own stake.

Operators approve each at the desk, and the approvals are rows of the database, which may be in somebody else's hands.
Nothing of it can go to an address that the signer's keys don't derive (account_keys.py, coin_keys.py), and the networks
file limits what a transaction costs. So forged rows could burn fees, and lock coin as stake. Where the signer has a
file of approvers, that file must allow it too; without one, the rows are enough.
"""

from app.alerts.service import raise_alert
from app.core import clock
from app.core.money import format_amount
from app.networks.config import NetworkConfig
from app.signer.approvers import Approvers, in_minor_units
from app.signer.energy_repository import StakeAction


class AllowedMoves:
    """The policy of the signer's own file for one network. `approvers` is None where it has no file."""

    def __init__(self, network: NetworkConfig, approvers: Approvers | None) -> None:
        self._network = network
        self._policy = None if approvers is None else approvers.policy(network.key)
        self._alerted: set[str] = set()

    async def may_consolidate(self) -> bool:
        """Whether small coins may be merged, which operators have approved at the desk. Raises an alert if not."""
        if self._policy is None or self._policy.consolidate:
            return True
        await self._alert("a consolidation is approved at the desk")
        return False

    async def dear_sweep_raw(self, approved_raw: int | None) -> int | None:
        """How much of what operators have approved at the desk a dear sweep may cost, in minor units of the coin; None
        where it may not be dear. Raises an alert where the file allows less."""
        if self._policy is None or approved_raw is None:
            return approved_raw
        allowed_raw = self._raw(self._policy.dear_sweep_up_to)
        if approved_raw > allowed_raw:
            await self._alert(f"a sweep that costs up to {self._words(approved_raw)} is approved at the desk")
        return min(approved_raw, allowed_raw) or None

    async def stake_problem(self, action: StakeAction, amount_raw: int, staked_raw: int) -> str | None:
        """Why the stake may not be moved as an operator asks, None where it may. `staked_raw` is what is staked now.
        Raises an alert if not."""
        if self._policy is None:
            return None
        allowed_raw = self._raw(self._policy.stake_up_to)
        if allowed_raw and (action != "stake" or staked_raw + amount_raw <= allowed_raw):
            return None
        what = f"to {action} {self._words(amount_raw)}" if amount_raw else f"to {action} what is free again"
        await self._alert(f"it is requested {what}")
        if not allowed_raw:
            return "the signer’s approvers file allows no moves of the stake"
        return f"the signer’s approvers file allows {self._words(allowed_raw)} to be staked in all"

    def _raw(self, amount: str) -> int:
        assert self._network.native is not None
        return in_minor_units(amount, self._network.native.decimals)

    def _words(self, raw: int) -> str:
        assert self._network.native is not None
        return f"{format_amount(raw, self._network.native.decimals)} {self._network.native.symbol}"

    async def _alert(self, what: str) -> None:
        """Alert operators once in a process: somebody may have forged what was approved."""
        if what in self._alerted:
            return
        self._alerted.add(what)
        await raise_alert(
            severity="warning",
            kind="signer_refused_policy",
            dedupe_key=f"signer_refused_policy:{self._network.key}:{what}",
            message=f"{self._network.key}: {what}, and the signer’s approvers file does not allow it",
            details={"network": self._network.key},
            now=clock.now(),
        )
