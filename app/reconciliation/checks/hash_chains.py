"""Check every hash chain against the signed checkpoints: in full, or from the last signed state on."""

from app.core.settings import CheckpointKeys
from app.ledger import checkpoint_format, checkpoints_repository, repository
from app.ledger.repository import Head
from app.ledger.verify import Verification, verify_anchored
from app.reconciliation.findings import Finding, Result

CHECK = "hash_chains"
HISTORY_PAGE = 500


async def check(keys: CheckpointKeys | None, *, full: bool) -> Result:
    """Re-compute every chain in the caller's snapshot; without `full` only entries since the last checkpoint."""
    findings = await _checkpoint_findings(keys, full=full) if keys is not None else []
    heads = await repository.heads()
    read = 0
    for head in heads:
        verification, entries_read = await _verify(head, full=full)
        read += entries_read
        if verification.fault is not None:
            findings.append(_finding(verification))
    return Result(CHECK, {"chains": len(heads), "entries_read": read, "full": "yes" if full else "no"}, findings)


async def _verify(head: Head, *, full: bool) -> tuple[Verification, int]:
    anchors = await checkpoints_repository.anchors(head.ledger, last_only=not full)
    verification = await verify_anchored(head, anchors, full=full)
    if verification.fault is not None and not full:
        # Again from the beginning, compared with every signed state, to name the first wrong entry.
        every = await checkpoints_repository.anchors(head.ledger, last_only=False)
        verification = await verify_anchored(head, every, full=True)
        return verification, verification.seq
    begun_at = anchors[-1].state.seq if anchors and not full else 0
    return verification, verification.seq - begun_at


def _finding(verification: Verification) -> Finding:
    chain, fault = verification.chain, verification.fault
    assert fault is not None
    return Finding(
        CHECK,
        f"{chain.owner} {chain.asset} {chain.network}",
        f"seq {fault.seq}: {fault.problem}",
        {"first_bad_seq": fault.seq, "verified_to_seq": verification.seq},
    )


async def _checkpoint_findings(keys: CheckpointKeys, *, full: bool) -> list[Finding]:
    """Check the checkpoints themselves: signatures, roots, the hash of the previous one, numbers without a gap.

    The keys of the settings are trusted. Older keys are trusted through later signatures of a current key: each
    checkpoint contains the hash of the previous one, so only the newest signature must be by a key of the settings.
    """
    trusted = checkpoint_format.seeds_public_keys(keys)
    published = await checkpoints_repository.public_keys()
    findings: list[Finding] = []
    below: int | None = None
    newer: checkpoint_format.Checkpoint | None = None
    while page := await checkpoints_repository.before(below, HISTORY_PAGE if full else 2):
        for checkpoint in page:
            anchored = newer is not None and newer.previous == checkpoint.hash
            problem = None
            if newer is not None and (not anchored or newer.number != checkpoint.number + 1):
                problem = f"checkpoint {newer.number} does not follow on it: one was changed or removed"
            else:
                known = {**published, **trusted} if anchored else trusted
                leaves = await checkpoints_repository.leaves_of(checkpoint.number)
                problem = checkpoint_format.fault_in(checkpoint, leaves, known)
            if problem is not None:
                findings.append(Finding(CHECK, f"checkpoint {checkpoint.number}", problem))
            newer = checkpoint
        below = page[-1].number
        if not full:
            return findings
    if newer is not None and newer.number != 1:
        findings.append(Finding(CHECK, "checkpoint 1", f"the history begins at {newer.number}: older ones are gone"))
    return findings
