"""The chain parameters of the double, by java-tron's names; values are mainnet's of 2026 where they are known."""

DEFAULTS: dict[str, int] = {
    "getMaintenanceTimeInterval": 21_600_000,
    "getAccountUpgradeCost": 9_999_000_000,
    "getCreateAccountFee": 100_000,
    "getTransactionFee": 1_000,
    "getAssetIssueFee": 1_024_000_000,
    "getCreateNewAccountFeeInSystemContract": 1_000_000,
    "getCreateNewAccountBandwidthRate": 1,
    "getAllowCreationOfContracts": 1,
    "getEnergyFee": 100,
    "getMaxCpuTimeOfOneTx": 80,
    "getAllowSameTokenName": 1,
    "getAllowDelegateResource": 1,
    "getTotalEnergyLimit": 180_000_000_000,
    "getAllowMultiSign": 1,
    "getUpdateAccountPermissionFee": 100_000_000,
    "getMultiSignFee": 1_000_000,
    "getFreeNetLimit": 600,
    "getTotalNetLimit": 43_200_000_000,
    "getForbidTransferToContract": 1,
    "getMemoFee": 1_000_000,
    "getUnfreezeDelayDays": 14,
    "getAllowDynamicEnergy": 1,
    "getDynamicEnergyThreshold": 5_000_000_000,
    "getDynamicEnergyIncreaseFactor": 2_000,
    "getDynamicEnergyMaxFactor": 34_000,
    "getMaxDelegateLockPeriod": 864_000,
    "getMaxFeeLimit": 15_000_000_000,
}
TOTAL_STAKED_TRX: dict[str, int] = {"ENERGY": 18_000_000_000, "BANDWIDTH": 28_800_000_000}
"""What the whole network has staked; the double keeps it fixed, so 1 TRX gives 10 energy, or 1.5 of bandwidth."""

PENALTY_UNIT = 10_000
"""A contract's penalty is in parts of it: at 34,000 a call takes 4.4 times the energy."""
