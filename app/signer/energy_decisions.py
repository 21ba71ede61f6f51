"""What operators decide where transactions take energy: a sweep that is dear, and how much of the hot wallet is staked.

The signer reads the decisions and acts on them (timed_sweeping.py). Whatever the rows say, its keys sign no more than
a sweep to the hot wallet, and moves of the hot wallet's own stake.
"""

from datetime import datetime

import asyncpg

from app.audit import service as audit
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.signer import energy_repository, timed_sweeps_repository
from app.signer.energy_repository import StakeAction
from app.withdrawals.approvals import ApprovalRefused, ApprovalService, refuse_non_operator


class DearSweepService:
    """Approves sweeps that cost more of what they move than the networks file allows. One per process."""

    def __init__(self, approvals: ApprovalService) -> None:
        self._approvals = approvals

    async def approve(
        self,
        candidate_id: int,
        operator_id: str,
        totp_code: str,
        now: datetime,
        *,
        up_to_raw: int,
        address: str | None = None,
    ) -> None:
        """Approve one sweep up to the cost that the operator was shown, in minor units of the native coin.

        It holds until the sweep is signed or it is revoked. `address` is the client's. Raises CodeRefused,
        ApprovalRefused: also where the sweep is not dear, or costs more by now than what was shown.
        """
        await self._approvals.prove_operator(operator_id, totp_code, now)
        try:
            async with database.transaction():
                dear = await timed_sweeps_repository.lock_dear(candidate_id)
                if dear is None:
                    raise ApprovalRefused("it is not dear any more, or it is swept")
                if dear.cost_raw > up_to_raw:
                    raise ApprovalRefused("it costs more by now than what you were shown: look at it again")
                await energy_repository.add_dear_approval(
                    dear.network, dear.asset, dear.address, up_to_raw, operator_id, now
                )
                await audit.record(
                    actor=f"account:{operator_id}",
                    action="dear_sweep.approved",
                    subject=dear.network,
                    merchant_id=None,
                    address=address,
                    details={
                        "asset": dear.asset,
                        "address": dear.address,
                        "amount_raw": str(dear.amount_raw),
                        "up_to_raw": str(up_to_raw),
                    },
                    now=now,
                )
        except asyncpg.UniqueViolationError:
            raise ApprovalRefused("it is approved already") from None

    async def revoke(
        self,
        network: str,
        asset: str,
        deposit_address: str,
        operator_id: str,
        now: datetime,
        *,
        address: str | None = None,
    ) -> None:
        """Revoke the approval that holds for what a deposit address has of an asset. The caller has made sure who the
        operator is. Raises ApprovalRefused."""
        await refuse_non_operator(operator_id)
        async with database.transaction():
            up_to_raw = await energy_repository.revoke_dear_approval(network, asset, deposit_address, operator_id, now)
            if up_to_raw is None:
                raise ApprovalRefused("no approval holds: it is used, or revoked")
            await audit.record(
                actor=f"account:{operator_id}",
                action="dear_sweep.revoked",
                subject=network,
                merchant_id=None,
                address=address,
                details={"asset": asset, "address": deposit_address, "up_to_raw": str(up_to_raw)},
                now=now,
            )


class StakeService:
    """Takes operators' requests about the hot wallet's stake. One per process."""

    def __init__(self, networks: Networks, approvals: ApprovalService) -> None:
        self._networks = networks
        self._approvals = approvals

    async def request(
        self,
        network: str,
        action: StakeAction,
        amount_raw: int,
        operator_id: str,
        totp_code: str,
        now: datetime,
        *,
        address: str | None = None,
    ) -> int:
        """Request that the signer stakes or unstakes `amount_raw` of the native coin, in minor units, or withdraws
        what was unstaked long enough ago (0). Returns the request's number. Raises CodeRefused, ApprovalRefused."""
        config = self._staking(network)
        assert config.native is not None, "a network with a hot wallet has its native coin"
        whole_raw = 10**config.native.decimals
        if action == "withdraw" and amount_raw:
            raise ApprovalRefused("all that is free again is withdrawn: no amount is needed")
        if action != "withdraw" and amount_raw < whole_raw:
            raise ApprovalRefused(f"it must be at least 1 {config.native.symbol}")
        await self._approvals.prove_operator(operator_id, totp_code, now)
        async with database.transaction():
            request_id = await energy_repository.add_request(network, action, amount_raw, operator_id, now)
            await _audit_stake("stake.requested", network, action, amount_raw, operator_id, address, now)
        return request_id

    async def cancel(
        self, network: str, request_id: int, operator_id: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Cancel a request while no transaction is signed for it. The caller has made sure who the operator is. Raises
        ApprovalRefused."""
        await refuse_non_operator(operator_id)
        try:
            async with database.transaction():
                cancelled = await energy_repository.cancel_request(network, request_id, operator_id, now)
                if cancelled is None:
                    raise ApprovalRefused("it has ended already")
                await _audit_stake(
                    "stake.cancelled", network, cancelled.action, cancelled.amount_raw, operator_id, address, now
                )
        except asyncpg.RestrictViolationError:
            raise ApprovalRefused("a transaction for it is signed: it can't be taken back") from None

    def _staking(self, network: str) -> NetworkConfig:
        try:
            config = self._networks.get(network)
        except UnknownNetwork:
            raise ApprovalRefused(f"there is no network {network}") from None
        if not config.has_stake or config.hot_wallet_address is None:
            raise ApprovalRefused(f"nothing is staked on {network}")
        return config


async def _audit_stake(
    action: str,
    network: str,
    asked: StakeAction,
    amount_raw: int,
    operator_id: str,
    address: str | None,
    now: datetime,
) -> None:
    await audit.record(
        actor=f"account:{operator_id}",
        action=action,
        subject=network,
        merchant_id=None,
        address=address,
        details={"request": asked, "amount_raw": str(amount_raw)},
        now=now,
    )
