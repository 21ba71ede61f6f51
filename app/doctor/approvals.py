"""Whether the people whom the signer asks for, and the operators who have passkeys, are the same."""

from collections.abc import AsyncIterator

from app.accounts import passkeys_repository
from app.core.webauthn import fingerprint
from app.doctor.symptoms import Symptom
from app.signer import approvers_repository

TOPIC = "approvals"


async def examine(*, production: bool) -> AsyncIterator[Symptom]:
    """Compare the passkeys of operators with those that the signer's file names."""
    reported = await approvers_repository.reported()
    if not reported:
        message = "the signer trusts the database's approvals: who owns it can forge them, up to the signer's ceilings"
        yield Symptom("advice", TOPIC, f"{message}; SIGNER_APPROVERS_FILE ends that" if production else message)
        return
    stored = {fingerprint(each.public_key): each for each in await passkeys_repository.of_operators()}
    known = {each.fingerprint for each in reported}
    for each in reported:
        if each.fingerprint not in stored:
            message = f"the signer counts a passkey of {each.name} that no operator has here: remove it from its file"
            yield Symptom("warning", TOPIC, message)
    for shown, passkey in stored.items():
        if shown not in known:
            message = f"{passkey.owner}’s passkey “{passkey.name}” is not in the signer's file: it approves nothing"
            yield Symptom("warning", TOPIC, message)
    if known == set(stored):
        yield Symptom("ok", TOPIC, f"the signer asks for passkeys, and has those of {len(stored)} operators' devices")
