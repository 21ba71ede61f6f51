"""The sandbox's chains, and which of them one start has."""

import os
from collections.abc import Callable
from typing import Protocol

from app.sandbox import bitcoind, bitcoind_package
from app.sandbox.bitcoin import BitcoinChain
from app.sandbox.ethereum import EthereumChain
from app.sandbox.home import Bitcoin, Ethereum, Home, Tron
from app.sandbox.processes import Process, ProcessError
from app.sandbox.tron import TronChain

NETWORKS_VARIABLE = "SWAP_PAY_SANDBOX_NETWORKS"


class Chain(Protocol):
    """One chain of a sandbox, with its node. The methods are called in the order in which they stand here.

    Of a chain that has run before and is left out now, `table` alone is called.
    """

    name: str
    """Of the chain in the API and in `sandbox.json`."""
    network: str
    """Its key in the database."""

    def end_leftovers(self) -> None:
        """End what a killed sandbox has left running, if what it keeps could still change."""

    def parts(self) -> dict[str, bool]:
        """What must be there together after the first run, by its name in a sentence, and whether it is."""

    def start(self) -> None:
        """Start the node with the chain of the last run. Raises ProcessError."""

    def set_up(self) -> None:
        """Make what the sandbox needs on a new chain."""

    def contradiction(self, scanned: tuple[int, str] | None) -> str | None:
        """How the chain contradicts the database, whose newest block of it is `scanned`; None if they agree."""

    def table(self, wallet_mnemonic: str) -> str:
        """Its table in the networks file; the gateway's keys are derived from the mnemonic.

        A node that is not running has a URL at which nothing answers.
        """

    def prepare(self, wallet_mnemonic: str) -> None:
        """Fill the gateway's hot wallet, where the network has one."""

    def interface(self) -> Ethereum | Bitcoin | Tron:
        """Its part of `sandbox.json`."""

    @property
    def process(self) -> Process:
        """The node."""

    def stop(self) -> None:
        """Stop the node; the chain is kept."""


KINDS: dict[str, Callable[[Home], Chain]] = {"ethereum": EthereumChain, "bitcoin": BitcoinChain, "tron": TronChain}
"""Every chain that there is, by its name."""


def wanted(home: Home, say: Callable[[str], None]) -> list[Chain]:
    """The chains of this start: all, or those that SWAP_PAY_SANDBOX_NETWORKS names, separated by commas.

    Without a bitcoind, and where none can be fetched, `say` is told what to install, and bitcoin is left out.
    Raises ProcessError for a name that is none, and where no chain is left.
    """
    names = [name.strip() for name in os.environ.get(NETWORKS_VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise ProcessError(f"{NETWORKS_VARIABLE} names {name}; there are {', '.join(KINDS)}")
    chosen = [name for name in KINDS if name in (names or KINDS)]
    if "bitcoin" in chosen and not _has_bitcoind(say):
        chosen.remove("bitcoin")
    if not chosen:
        raise ProcessError("the sandbox needs at least one chain")
    return [KINDS[name](home) for name in chosen]


def _has_bitcoind(say: Callable[[str], None]) -> bool:
    if bitcoind.find() is not None:
        return True
    say("Getting bitcoind from Debian's packages, about 15 MB …")
    try:
        bitcoind_package.fetch()
    except ProcessError as error:
        say(f"The sandbox goes on without bitcoin: {error}")
        return False
    return True
