"""The death of a signer at a named point, within the test's process: what it has not committed is lost."""

from app.signer.crash_points import POINTS, CrashPoints


class Killed(BaseException):
    """The signer's process has died, and its memory with it."""


class KilledAt(CrashPoints):
    """Kills the signer the first time that it reaches a point."""

    def __init__(self, point: str) -> None:
        super().__init__(is_production=False, env={})
        self._point: str | None = point

    def reach(self, point: str) -> None:
        assert point in POINTS
        if point == self._point:
            self._point = None
            raise Killed
