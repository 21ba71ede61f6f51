"""The kinds of chain, as the signer sees them: what each pays from, with which keys, and what it moves by itself."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from app.networks.config import NetworkConfig
from app.networks.sending import Sender
from app.signer import account_moves, missing
from app.signer.account_funds import AccountFunds
from app.signer.account_keys import AccountKeys
from app.signer.account_sweeping import AccountSweeper
from app.signer.allowed_moves import AllowedMoves
from app.signer.coin_funds import CoinFunds
from app.signer.coin_keys import CoinKeys
from app.signer.coin_moves import CoinConsolidation
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.limits import SignerLimits
from app.signer.missing import Unknown
from app.signer.safeguards import Safeguards
from app.signer.signing import Signer
from app.signer.timed_funds import TimedFunds
from app.signer.timed_sweeping import TimedSweeper
from app.signer.tracking import Tracker
from app.signer.treasury import Treasury
from app.signer.wallet import Wallet
from app.withdrawals.service import WithdrawalService


class SignerKind(msgspec.Struct, frozen=True):
    """One kind of chain. Each part is given the configuration, and the sender, of a network of the kind.

    `funds`, `keys` and `own_moves` make the parts that `funds.py` describes. `hot_wallet_address`: where the keys say
    that operators' top-ups belong; None where the configuration has derived it from the account already. `unknown`
    finds the transactions of ours that the books lack, and `attach_moves` stores those that only moved our own money.
    """

    funds: Callable[[Any, Any, Treasury], Any]
    keys: Callable[[Any, SpendingKeys], Any]
    own_moves: Callable[[Any, Any, Wallet, Tracker, Any, AllowedMoves], Any]
    hot_wallet_address: Callable[[SpendingKeys], str] | None
    unknown: Callable[[Any, Any], Awaitable[list[Unknown]]]
    attach_moves: Callable[[Any, Any, datetime], Awaitable[int]] = account_moves.nothing


KINDS: dict[str, SignerKind] = {
    "evm": SignerKind(
        AccountFunds,
        AccountKeys,
        lambda *parts: AccountSweeper(*parts[:5]),
        lambda keys: keys.hot_wallet_address,
        missing.of_counting_account,
        account_moves.attach,
    ),
    "tron": SignerKind(
        TimedFunds, AccountKeys, TimedSweeper, lambda keys: keys.tron_hot_wallet_address, missing.of_timed_account
    ),
    "bitcoin": SignerKind(CoinFunds, CoinKeys, CoinConsolidation, None, missing.of_coins),
}
"""Every kind, by the `kind` of its networks."""


def signer_of(
    network: NetworkConfig,
    sender: Sender,
    keys: SpendingKeys,
    withdrawals: WithdrawalService,
    crash: CrashPoints,
    safeguards: Safeguards | None,
) -> Signer:
    """The signer of one network. `safeguards` are those of files on the signer's own host, None where it has none."""
    approvers, journal = (safeguards.approvers, safeguards.journal) if safeguards else (None, None)
    kind, treasury = KINDS[network.kind], Treasury(network)
    funds, wallet = kind.funds(network, sender, treasury), Wallet(network, sender, kind.keys(network, keys), journal)
    tracker = Tracker(network, sender, wallet, funds, treasury, withdrawals, crash, approvers)
    moves = kind.own_moves(network, sender, wallet, tracker, funds, AllowedMoves(network, approvers))
    return Signer(network, sender, wallet, SignerLimits(network), tracker, funds, moves, crash, approvers)
