"""The signer's own settings, from its own environment (environment.py).

SIGNER_KEYSTORE_FILE            the keystore (`swap-pay signer init` makes one)
SIGNER_KEYSTORE_PASSWORD_FILE   a file whose first line is its password
SIGNER_MNEMONIC                 the phrase itself, in place of the keystore; not in production
SIGNER_APPROVERS_FILE           whose passkeys must have signed each payment (approvers.py); not required
SIGNER_JOURNAL_FILE             what was signed (journal.py); required with an approvers file
"""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.networks.config import NetworkConfig
from app.signer import approvers, keystore
from app.signer.approvers import ApproversFileError
from app.signer.environment import PREFIX, SignerSettingsError
from app.signer.journal import Journal, JournalError
from app.signer.keystore import PUBLISHED_XPUBS, KeystoreError, SpendingKeys
from app.signer.kinds import KINDS
from app.signer.safeguards import Safeguards

NOT_FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""Permissions that others must not have on the keystore and its password: a group may read, no more."""


def load_keys(*, is_production: bool, env: Mapping[str, str] = os.environ) -> SpendingKeys:
    """The spending keys that the environment names. Raises SignerSettingsError."""
    file, password_file, mnemonic = (
        env.get(PREFIX + name, "").strip() for name in ("KEYSTORE_FILE", "KEYSTORE_PASSWORD_FILE", "MNEMONIC")
    )
    if mnemonic and is_production:
        raise SignerSettingsError(["SIGNER_MNEMONIC is not for production: use SIGNER_KEYSTORE_FILE"])
    if bool(mnemonic) == bool(file):
        raise SignerSettingsError(["set SIGNER_KEYSTORE_FILE (or, outside of production, SIGNER_MNEMONIC)"])
    if file and not password_file:
        raise SignerSettingsError(["SIGNER_KEYSTORE_PASSWORD_FILE is not set"])
    if file:
        _refuse_open_files(KEYSTORE_FILE=Path(file), KEYSTORE_PASSWORD_FILE=Path(password_file))
    try:
        return SpendingKeys(mnemonic) if mnemonic else keystore.read(Path(file), _first_line(Path(password_file)))
    except KeystoreError as error:
        raise SignerSettingsError([f"{'SIGNER_MNEMONIC' if mnemonic else 'SIGNER_KEYSTORE_FILE'} {error}"]) from None


def load_safeguards(env: Mapping[str, str] = os.environ) -> Safeguards | None:
    """The approvers and the journal that the environment names, None where it names neither. Raises
    SignerSettingsError."""
    approvers_file, journal_file = (env.get(PREFIX + name, "").strip() for name in ("APPROVERS_FILE", "JOURNAL_FILE"))
    if not approvers_file and not journal_file:
        return None
    if not approvers_file or not journal_file:
        raise SignerSettingsError(["set SIGNER_APPROVERS_FILE and SIGNER_JOURNAL_FILE, or neither"])
    _refuse_open_files(APPROVERS_FILE=Path(approvers_file), JOURNAL_FILE=Path(journal_file))
    try:
        return Safeguards(approvers.read(Path(approvers_file)), Journal(Path(journal_file)))
    except ApproversFileError as error:
        raise SignerSettingsError([f"SIGNER_APPROVERS_FILE {error}"]) from None
    except JournalError as error:
        raise SignerSettingsError([f"SIGNER_JOURNAL_FILE {error}"]) from None


def check_networks(networks: Iterable[NetworkConfig], keys: SpendingKeys) -> None:
    """Raise SignerSettingsError unless the keys are those of every network that has a hot wallet.

    A live network must limit what the signer pays: these ceilings still hold when the database was edited.
    """
    faults: list[str] = []
    for network in networks:
        if network.hot_wallet_address is None:
            continue
        if not network.is_account(keys.account(network.account_path).xpub):
            faults.append(f"network {network.key}: xpub is not that of the signer's keys: it could not spend")
        ours = KINDS[network.kind].hot_wallet_address
        if ours is not None and network.hot_wallet_address != ours(keys):
            faults.append(f"network {network.key}: hot_wallet_address is not the signer's, {ours(keys)}")
        if network.mode == "live" and keys.xpub in PUBLISHED_XPUBS:
            faults.append(f"network {network.key}: the signer's phrase is a published one: anybody can spend")
        if network.mode == "live":
            faults += [
                f"network {network.key}: {asset.symbol} needs transaction_ceiling_raw and day_ceiling_raw"
                for asset in network.assets
                if asset.transaction_ceiling_raw is None or asset.day_ceiling_raw is None
            ]
    if faults:
        raise SignerSettingsError(faults)


def _refuse_open_files(**files: Path) -> None:
    faults = []
    for name, path in files.items():
        try:
            mode = path.stat().st_mode
        except OSError as error:
            faults.append(f"{PREFIX}{name} can't be read: {error.strerror}")
            continue
        if mode & NOT_FOR_OTHERS:
            faults.append(f"{PREFIX}{name} names a file that others can read or write: chmod 600")
    if faults:
        raise SignerSettingsError(faults)


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SignerSettingsError(["SIGNER_KEYSTORE_PASSWORD_FILE can't be read"]) from None
    return lines[0] if lines else ""
