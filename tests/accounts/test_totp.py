"""How long a code is valid."""

import pyotp

from app.accounts import totp
from app.core import clock


def test_a_code_is_valid_in_its_step_and_in_the_one_before_and_after() -> None:
    secret, now = pyotp.random_base32(), clock.now()
    step = int(now.timestamp()) // totp.STEP_S
    codes = {steps: pyotp.HOTP(secret).at(step + steps) for steps in range(-3, 4)}
    taken = [steps for steps, code in codes.items() if totp.matching_counter(secret, code, now) == step + steps]
    assert taken == [-1, 0, 1]
