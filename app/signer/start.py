"""The signers of a process: one for each network that has a hot wallet."""

from app.networks.registry import Networks
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.kinds import signer_of
from app.signer.safeguards import Safeguards
from app.signer.settings import check_networks
from app.signer.signing import Signer
from app.withdrawals.service import WithdrawalService


def signers_of(
    networks: Networks,
    withdrawals: WithdrawalService,
    keys: SpendingKeys,
    crash: CrashPoints,
    safeguards: Safeguards | None = None,
) -> list[Signer]:
    """A signer for each network that has a hot wallet. Raises SignerSettingsError where the keys don't fit."""
    check_networks(networks, keys)
    return [
        signer_of(network, networks.sender(network.key), keys, withdrawals, crash, safeguards)
        for network in networks
        if network.hot_wallet_address
    ]
