"""Operators' approval of consolidation: that the signer may merge a network's small coins by itself.

It is given once for a network, with a fresh code, and holds until it is revoked. It covers the fee rate that the
networks file names at that time: a higher one there needs another approval.
"""

from datetime import datetime

import asyncpg

from app.audit import service as audit
from app.core import database
from app.networks.registry import Networks, UnknownNetwork
from app.signer import consolidation_repository
from app.signer.consolidation_repository import Policy
from app.withdrawals.approvals import ApprovalRefused, ApprovalService, refuse_non_operator


class ConsolidationService:
    """Approves and revokes consolidation. One per process."""

    def __init__(self, networks: Networks, approvals: ApprovalService) -> None:
        self._networks = networks
        self._approvals = approvals

    async def approved(self, network: str) -> Policy | None:
        """The approval that holds for a network; None where there is none."""
        return await consolidation_repository.approved(network)

    async def approve(
        self, network: str, operator_id: str, totp_code: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Approve what the networks file says of a network's consolidation. `address` is the client's.

        Raises CodeRefused, ApprovalRefused: also where the file says nothing, or it is approved already.
        """
        limit = self._limit(network)
        await self._approvals.prove_operator(operator_id, totp_code, now)
        try:
            async with database.transaction():
                await consolidation_repository.add(network, limit, operator_id, now)
                await _audit("consolidation.approved", network, operator_id, address, now, max_fee_rate=limit)
        except asyncpg.UniqueViolationError:
            raise ApprovalRefused("it is approved already") from None

    async def revoke(self, network: str, operator_id: str, now: datetime, *, address: str | None = None) -> None:
        """Revoke the approval: the signer begins no further consolidation. The caller has made sure who the operator
        is. Raises ApprovalRefused."""
        await refuse_non_operator(operator_id)
        async with database.transaction():
            if not await consolidation_repository.revoke(network, operator_id, now):
                raise ApprovalRefused("it is not approved")
            await _audit("consolidation.revoked", network, operator_id, address, now)

    def _limit(self, network: str) -> int:
        try:
            limit = self._networks.get(network).consolidation_limit
        except UnknownNetwork:
            raise ApprovalRefused(f"there is no network {network}") from None
        if limit is None:
            raise ApprovalRefused(f"the networks file says nothing of a consolidation on {network}")
        return limit


async def _audit(
    action: str, network: str, operator_id: str, address: str | None, now: datetime, **details: object
) -> None:
    await audit.record(
        actor=f"account:{operator_id}",
        action=action,
        subject=network,
        merchant_id=None,
        address=address,
        details=details,
        now=now,
    )
