"""I1 to I7 for stateful tests: `await assert_invariants(gateway)` after each step."""

from app.core import clock
from app.networks.port import ChainMoved
from app.reconciliation import invariants
from app.reconciliation.checks import holdings, withdrawals
from app.reconciliation.snapshot import final_heights, named_blocks, snapshot
from app.wiring import Services


async def assert_invariants(services: Services, *, full: bool = True, with_chain: bool = True) -> None:
    """Fail with every finding if an invariant does not hold now.

    With `with_chain` the balances on chain at the confirmed block are compared too; a chain that was just
    reorganised is compared only in the next step, after the watcher has seen it.
    """
    findings = []
    now = clock.now()
    final = await final_heights(services.networks) if with_chain else {}
    async with snapshot():
        for result in await invariants.all_of_them(services.settings.checkpoint_keys, now, full=full):
            findings += result.findings
        blocks = await named_blocks(services.networks, final)
        books = {
            key: await holdings.read_books(services.networks.get(key), block, now, full=full)
            for key, block in blocks.items()
        }
        payments = {key: await withdrawals.confirmed_payments(key, None) for key in blocks}
    if with_chain:
        for key in blocks:
            chain = services.networks.chain(key)
            try:
                findings += await withdrawals.compare_with_chain(chain, payments[key])
                findings += (await holdings.compare_with_chain(chain, books[key])).findings
            except ChainMoved:
                continue
    lines = [f"{finding.check}: {finding.subject}: {finding.message} {dict(finding.figures)}" for finding in findings]
    assert not lines, "\n".join(lines)
