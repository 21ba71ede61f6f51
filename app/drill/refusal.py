"""Why a backup can't be restored, in words for the operator."""


class DrillRefused(Exception):
    """The copy can't be made or started; the message says what to do about it."""
