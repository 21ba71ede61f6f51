"""The signer's keys: it does not start without safe ones, no other process starts with them, and no log has them."""

import asyncio
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from app.asgi import create_app
from app.core import database, logging
from app.networks.networks_file import load_networks
from app.sandbox.anvil import DEVELOPMENT_MNEMONIC
from app.signer import keystore
from app.signer.environment import SignerSettingsError, refuse_secrets
from app.signer.keystore import KeystoreError, SpendingKeys, new_mnemonic
from app.signer.settings import check_networks, load_keys
from tests.factories.networks import XPUB, networks_toml
from tests.signer.processes import PASSWORD, sealed_keys, signer_process, swap_pay
from tests.signer.signer_under_test import SignerUnderTest


def problem(env: Mapping[str, str], *, production: bool = False) -> str:
    with pytest.raises(SignerSettingsError) as refused:
        load_keys(is_production=production, env=env)
    return str(refused.value)


def test_a_keystore_opens_with_its_password_alone(tmp_path: Path) -> None:
    phrase = new_mnemonic()
    env = sealed_keys(tmp_path, phrase)
    assert load_keys(is_production=True, env=env).xpub == SpendingKeys(phrase).xpub
    sealed = (tmp_path / "keystore.json").read_text()
    assert not any(word in sealed for word in phrase.split() if len(word) > 5)
    Path(env["SIGNER_KEYSTORE_PASSWORD_FILE"]).write_text("another password\n")
    assert "the password is wrong" in problem(env)
    (tmp_path / "keystore.json").write_text(sealed.replace('"scrypt_n": 4096', '"scrypt_n": 8192'))
    Path(env["SIGNER_KEYSTORE_PASSWORD_FILE"]).write_text(PASSWORD)
    assert "can't be opened" in problem(env)


def test_missing_and_unsafe_keys_are_refused(tmp_path: Path) -> None:
    phrase = new_mnemonic()
    env = sealed_keys(tmp_path, phrase)
    assert "set SIGNER_KEYSTORE_FILE" in problem({})
    assert "PASSWORD_FILE is not set" in problem({"SIGNER_KEYSTORE_FILE": env["SIGNER_KEYSTORE_FILE"]})
    assert "not for production" in problem({"SIGNER_MNEMONIC": phrase}, production=True)
    assert "set SIGNER_KEYSTORE_FILE" in problem({**env, "SIGNER_MNEMONIC": phrase})  # which of the two?
    assert "is not a BIP-39 phrase" in problem({"SIGNER_MNEMONIC": "twelve words that are none"})
    assert "can't be read" in problem({**env, "SIGNER_KEYSTORE_FILE": str(tmp_path / "nowhere")})
    for name, file in env.items():
        Path(file).chmod(0o644)
        assert f"{name} names a file that others can read" in problem(env)
        Path(file).chmod(0o600)
    with pytest.raises(KeystoreError, match="at least 12"):
        keystore.write(tmp_path / "weak.json", phrase, "short")
    with pytest.raises(FileExistsError):
        keystore.write(tmp_path / "keystore.json", phrase, PASSWORD)


def test_the_keys_must_be_those_of_the_networks(tmp_path: Path) -> None:
    ours, path = SpendingKeys(DEVELOPMENT_MNEMONIC), tmp_path / "networks.toml"

    def faults(text: str) -> str:
        path.write_text(text)
        with pytest.raises(SignerSettingsError) as refused:
            check_networks(load_networks(path).values(), ours)
        return str(refused.value)

    good = networks_toml("http://127.0.0.1:1", "0x" + 40 * "1", hot_wallet_address=ours.hot_wallet_address)
    path.write_text(good)
    check_networks(load_networks(path).values(), ours)
    stranger = SpendingKeys(new_mnemonic())
    assert "it could not spend" in faults(good.replace(XPUB, stranger.xpub))
    assert "is not the signer's" in faults(good.replace(ours.hot_wallet_address, stranger.hot_wallet_address))
    live = faults(good.replace('mode = "test"', 'mode = "live"'))
    assert "USDT needs transaction_ceiling_raw and day_ceiling_raw" in live
    assert "anybody can spend" in live  # the phrase of every development chain


def test_the_signer_does_not_start_without_keys_and_says_why(environment: dict[str, str]) -> None:
    done = swap_pay(environment, "worker", "signer")
    assert done.returncode == 1
    assert "SIGNER_KEYSTORE_FILE" in done.stderr
    assert "Traceback" not in done.stderr
    assert "worker_started" not in done.stderr


@pytest.mark.parametrize("command", [("web",), ("worker", "chain"), ("worker", "webhooks"), ("worker", "default")])
def test_no_other_process_starts_with_a_spending_key_in_its_environment(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    phrase = new_mnemonic()
    done = swap_pay(environment | {"SIGNER_MNEMONIC": phrase}, *command)
    assert done.returncode == 1
    assert "SIGNER_MNEMONIC is set: it belongs in the signer's environment alone" in done.stderr
    assert phrase not in done.stdout + done.stderr


def test_the_application_itself_refuses_too(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (environment | {"SIGNER_KEYSTORE_FILE": "/run/keys/hot"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SignerSettingsError):
        create_app()
    refuse_secrets({"SIGNER_KEYSTORE_FILE": "", "SWAP_PAY_ENV": "test"})


def test_a_traceback_does_not_show_local_values(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (True, False):
        logging.configure(level="INFO", json=as_json)
        canary = "canary" + os.urandom(8).hex()

        def with_local_key(private_key: str) -> None:
            raise ValueError("it failed")

        try:
            with_local_key(canary)
        except ValueError:
            logging.get_logger("test").exception("loop_failed")
        written = "".join(capsys.readouterr())
        assert "it failed" in written
        assert canary not in written


async def test_no_key_is_in_a_log_whatever_goes_wrong(
    setup: SignerUnderTest, environment: dict[str, str], mnemonic: str, tmp_path: Path
) -> None:
    """The signer pays, and fails while signing: no log level writes any part of a key."""
    env = environment | sealed_keys(tmp_path, mnemonic) | {"LOG_LEVEL": "DEBUG"}
    requested = await setup.approved("5.00")
    log = tmp_path / "signer.log"
    async with signer_process(env, log), asyncio.timeout(60):
        while (await setup.read(requested.id)).status != "confirmed":
            await setup.driver.mine(1)
            await asyncio.sleep(0.1)
        # An error inside of signing, with the key in a local variable of a frame.
        second = await setup.approved("5.00")
        await database.execute("ALTER TABLE outgoing_transactions ADD CONSTRAINT nothing CHECK (nonce < 1) NOT VALID")
        while "signer_halted" not in log.read_text():
            await asyncio.sleep(0.1)
        assert (await setup.read(second.id)).status == "approved"
    written = log.read_text().lower()
    assert "transaction_sent" in written
    keys, words = SpendingKeys(mnemonic), mnemonic.split()
    canaries = [PASSWORD, *(f"{first} {second}" for first, second in pairwise(words))]
    for key in (keys.hot_wallet_key(), keys.deposit_key(0), keys.deposit_key(1)):
        canaries += [key.hex(), str(int.from_bytes(key, "big")), repr(key)[2:-1]]
    assert [canary for canary in canaries if canary.lower() in written] == []
