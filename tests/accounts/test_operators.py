"""Removing an operator ends the right and everything that was made for the account."""

import pytest

from app.accounts import operators, sessions
from app.core import clock, database
from app.core.settings import Settings
from tests.capabilities.world import a_world, found
from tests.reconciliation.test_cli import swap_pay


async def test_remove_operator_ends_the_right_and_every_session(
    db: str, settings: Settings, environment: dict[str, str]
) -> None:
    world = await a_world(settings)
    await database.execute("UPDATE accounts SET is_operator = true WHERE id = $1", world.account_id)
    status, output = await swap_pay(environment, "remove-operator", "--email", world.email, "--reason", "has left")
    assert (status, f"{world.account_id} is no operator any more" in output) == (0, True), output
    assert await sessions.find(world.token, clock.now()) is None
    with pytest.raises(operators.NotAnOperator):
        operators.operator_from_session(await found(await world.open_session()), address=None)
    row = await database.fetch_one("SELECT action, subject, details FROM audit_entries ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["action"], row["subject"]) == ("operator.removed", world.account_id)
    assert "has left" in row["details"]
    status, output = await swap_pay(environment, "remove-operator", "--email", world.email, "--reason", "again")
    assert (status, "no operator has this email address" in output) == (1, True), output
