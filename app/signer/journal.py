"""What this signer has signed, in a file on its own host: no payment is signed twice because the database forgot it.

Whoever can write in the database could delete a signed transaction and set its payment back to approved; the
passkeys' signatures under it would still be good. So with an approvers file the signer keeps this journal. An entry is
on disk before the transaction is in the database: another transaction for the same payment is signed only if the chain
can hold only one of both, or holds the earlier one never more.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from app.signer.refusal import Refused

TIMED = "until:"
"""How claims begin that end by themselves (networks/sending.py)."""


class JournalError(Exception):
    """The journal can't be read or written: nothing may be signed."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: a transaction that was signed for payments, or one that no block can hold any more (`dead`)."""

    txid: str
    digests: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    dead: bool = False


def living_entries(path: Path) -> list[Entry]:
    """What a journal says of transactions that may be in a block, oldest first. It only reads the file, which a signer
    may be writing. Raises JournalError."""
    found, _ = _read(path)
    dead = {entry.txid for entry in found if entry.dead}
    return list({entry.txid: entry for entry in found if entry.txid not in dead}.values())


class Journal:
    """The journal of one deployment's signer. It is read once, and only ever grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signed: defaultdict[str, list[Entry]] = defaultdict(list)
        self._dead: set[str] = set()
        found, cut_off_bytes = _read(path)
        try:
            if cut_off_bytes:  # of a transaction that was never stored: the host died meanwhile
                os.truncate(path, path.stat().st_size - cut_off_bytes)
        except OSError as error:
            raise JournalError(f"{path} can't be written: {error.strerror}") from None
        for entry in found:
            self._remember(entry)

    def living(self, digests: Collection[bytes]) -> list[Entry]:
        """The transactions that were signed for any of these payments and may be in a block, or get into one."""
        found = {
            entry.txid: entry
            for each in digests
            for entry in self._signed.get(each.hex(), ())
            if entry.txid not in self._dead
        }
        return list(found.values())

    def expiring(self, digests: Collection[bytes]) -> list[Entry]:
        """Those of them that end by themselves: the chain says when they have."""
        return [entry for entry in self.living(digests) if all(claim.startswith(TIMED) for claim in entry.claims)]

    def refuse_second(self, digests: Collection[bytes], claims: Sequence[str]) -> None:
        """Raise Refused where one of these payments could be made twice by a transaction with these claims."""
        for entry in self.living(digests):
            if not set(entry.claims) & set(claims):
                raise Refused(
                    "signed_before",
                    f"the signer has signed {entry.txid} for it, which the books don't have: attach that transaction",
                    held=True,
                )

    def write(self, txid: str, digests: Sequence[bytes], claims: Sequence[str]) -> None:
        """Write a transaction that is being signed; it is on disk when this returns. Raises JournalError."""
        entry = Entry(txid, tuple(each.hex() for each in digests), tuple(claims))
        if entry not in self.living(digests):
            self._append(entry)

    def write_dead(self, txid: str) -> None:
        """Write that no block can hold a transaction any more. Raises JournalError."""
        self._append(Entry(txid, dead=True))

    def _append(self, entry: Entry) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, msgspec.json.encode(entry) + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalError(f"{self._path} can't be written: {error.strerror}") from None
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        if entry.dead:
            self._dead.add(entry.txid)
        for each in entry.digests:
            self._signed[each].append(entry)


def _read(path: Path) -> tuple[list[Entry], int]:
    """A journal's entries, and the length of a last one that was not written whole, in bytes."""
    try:
        whole, _, cut_off = path.read_bytes().rpartition(b"\n")
        return [msgspec.json.decode(line, type=Entry) for line in whole.splitlines()], len(cut_off)
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise JournalError(f"{path} is not whole: {error}") from None
