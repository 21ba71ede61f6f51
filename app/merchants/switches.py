"""The platform's switches: operators pause and resume them, with a reason, and each change is in the audit log."""

from datetime import datetime
from typing import get_args

import msgspec

from app.accounts.operators import ActionRefused, Operator, stated_reason
from app.audit import service as audit
from app.core import database
from app.merchants import notices, repository, service
from app.merchants.repository import SwitchName

NAMES: tuple[SwitchName, ...] = get_args(SwitchName)

SWITCH_LOCK = 7_226_011
"""Advisory lock key: two operators who change a switch at once do it one after the other."""


class SwitchState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether new invoices, payouts or refunds are accepted. `paused_at` and `reason` are None while they are."""

    name: SwitchName
    paused_at: datetime | None
    reason: str | None

    @property
    def is_paused(self) -> bool:
        """Whether the switch is paused now."""
        return self.paused_at is not None


async def states() -> list[SwitchState]:
    """All switches, in a fixed order."""
    paused = {switch.name: switch for switch in await repository.paused_switches()}
    return [
        SwitchState(
            name=name,
            paused_at=paused[name].paused_at if name in paused else None,
            reason=paused[name].reason if name in paused else None,
        )
        for name in NAMES
    ]


async def pause(name: SwitchName, reason: str, by: Operator, now: datetime) -> None:
    """Pause a switch for all merchants, at once. Raises INVALID_INPUT, ActionRefused if it is paused."""
    reason = stated_reason(reason)
    async with database.transaction():
        if await _is_paused(name):
            raise ActionRefused(f"{name} are paused already")
        await service.pause(name, reason, now)
        await _audit(name, "paused", reason, by, now)
        await _tell("switch.paused", name, reason, by, now)


async def resume(name: SwitchName, reason: str, by: Operator, now: datetime) -> None:
    """End a pause. Raises INVALID_INPUT, ActionRefused if there is none."""
    reason = stated_reason(reason)
    async with database.transaction():
        if not await _is_paused(name):
            raise ActionRefused(f"{name} are not paused")
        await service.resume(name)
        await _audit(name, "resumed", reason, by, now)
        await _tell("switch.resumed", name, reason, by, now)


async def _is_paused(name: SwitchName) -> bool:
    """Whether it is paused; no other operator can change it until the caller's transaction ends."""
    await repository.lock_switches(SWITCH_LOCK)
    return await repository.is_paused(name)


async def _tell(kind: str, name: SwitchName, reason: str, by: Operator, now: datetime) -> None:
    """Have the people of all merchants told by email. They read the operator's reason."""
    facts = {"noun": name, "reason": reason}
    await notices.record_for_all(kind, subject=name, actor=by.actor, facts=facts, now=now)


async def _audit(name: SwitchName, action: str, reason: str, by: Operator, now: datetime) -> None:
    await audit.record(
        actor=by.actor,
        action=f"switch.{action}",
        subject=name,
        merchant_id=None,
        address=by.address,
        details={"reason": reason},
        now=now,
    )
