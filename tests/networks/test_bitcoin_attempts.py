"""Whatever is bumped, killed and signed anew, in any order: no payment can be made twice."""

from collections.abc import Collection, Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.networks.bitcoin import signing, spending
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import EXTERNAL_BRANCH, Coin, NotEnough, TooLarge, claim, exclude_each_other
from app.networks.bitcoin.fees import InPool
from app.networks.bitcoin.spending import CoinState, form_of
from app.networks.port import FeeAboveCeiling
from app.networks.sending import Draft, Payment
from tests.factories.bitcoin import TPUB

ACCOUNT = Account(TPUB, "regtest", "p2wpkh")
TO_ADDRESS = "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx"
CEILING = 300_000
PAYMENT_RAW = 60_000


class Books:
    """What a signer remembers: attempts at payments, the coins, and which attempt replaced which."""

    def __init__(self, amounts_raw: list[int]) -> None:
        self.coins: dict[str, Coin] = {}
        for amount_raw in amounts_raw:
            self.receive(amount_raw)
        self.attempts: list[list[str]] = []  # of each payment, by txid, the newest last
        self.drafts: dict[str, Draft] = {}
        self.change_of: dict[str, Coin | None] = {}  # of the attempt that replaced one
        self.change_index = 0

    @property
    def claims(self) -> dict[str, Collection[str]]:
        return {txid: draft.claims for txid, draft in self.drafts.items()}

    def receive(self, amount_raw: int) -> Coin:
        """Another confirmed coin."""
        index = len(self.coins)
        coin = Coin(
            txid=f"{index:064x}",
            vout=0,
            amount_raw=amount_raw,
            address=ACCOUNT.address(EXTERNAL_BRANCH, index),
            branch=EXTERNAL_BRANCH,
            index=index,
            height=1,
        )
        self.coins[coin.claim] = coin
        return coin

    def pay(self, rate: int) -> None:
        """Pay somebody new, with coins that no attempt claims."""
        self.change_index += 1
        state = CoinState(coins=self._free(), change_index=self.change_index, rate=rate)
        payment = Payment(TO_ADDRESS, "BTC", PAYMENT_RAW + len(self.attempts))
        self.attempts.append([self._sign(spending.plan(ACCOUNT, [payment], state, CEILING))])

    def bump(self, number: int, rate: int) -> None:
        """Raise the fee of a payment's newest attempt, if it can still be mined."""
        last = self.attempts[number][-1]
        if self._is_killed(last):
            return
        draft = self.drafts[last]
        known = InPool(fee_raw=draft.fee_cap_raw, vsize=form_of(draft).vsize, evicted_fee_raw=draft.fee_cap_raw)
        state = CoinState(coins=self._free(), change_index=0, rate=rate)
        bump = spending.bump(ACCOUNT, draft, state, [known], 1_000, CEILING)
        if bump is not None:
            self._replaced(number, bump)

    def sign_anew(self, number: int, rate: int) -> None:
        """Make another attempt at a payment whose newest one has lost a coin."""
        last = self.attempts[number][-1]
        if not self._is_killed(last):
            return
        draft = self.drafts[last]
        required = spending.required_again(draft, self.change_of)
        if required is None or any(self._is_killed(coin.txid) for coin in required):
            return  # its parent must be signed anew first, or be final
        self.change_index += 1
        state = CoinState(coins=self._free(), change_index=self.change_index, rate=rate, required=required)
        self._replaced(number, spending.plan(ACCOUNT, draft.payments, state, CEILING))

    def _free(self) -> tuple[Coin, ...]:
        claimed = {each for draft in self.drafts.values() for each in draft.claims}
        newest = {attempts[-1] for attempts in self.attempts}
        change = [self._change(txid) for txid in newest if not self._is_killed(txid)]
        return tuple(coin for coin in [*self.coins.values(), *change] if coin is not None and coin.claim not in claimed)

    def _sign(self, draft: Draft) -> str:
        outputs = spending.outputs_of(ACCOUNT, draft)
        txid = str(signing.psbt(ACCOUNT, form_of(draft).coins, outputs).tx.txid().hex())
        self.drafts[txid] = draft
        return txid

    def _replaced(self, number: int, draft: Draft) -> None:
        txid = self._sign(draft)
        for earlier in self.attempts[number]:
            self.change_of[earlier] = self._change(txid)
        self.attempts[number].append(txid)

    def _change(self, txid: str) -> Coin | None:
        return spending.change_of(ACCOUNT, self.drafts[txid], txid)

    def _is_killed(self, txid: str) -> bool:
        """Whether a transaction, or one that it comes from, has been replaced."""
        if txid not in self.drafts:
            return False
        parents = {coin.txid for coin in form_of(self.drafts[txid]).coins}
        return txid in self.change_of or any(self._is_killed(parent) for parent in parents)


def outcomes(claims: dict[str, Collection[str]]) -> Iterator[frozenset[str]]:
    """Every set of these transactions that miners could mine, one after another."""
    reached, waiting = {frozenset[str]()}, [frozenset[str]()]
    while waiting:
        mined = waiting.pop()
        yield mined
        spent = {each for txid in mined for each in claims[txid]}
        for txid, wanted in claims.items():
            parents = {each.split(":")[1] for each in wanted} & set(claims)
            if txid not in mined and not spent & set(wanted) and parents <= mined:
                after = mined | {txid}
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)


AMOUNTS_RAW = st.sampled_from([61_000, 70_000, 90_000, 150_000, 400_000])
STEPS = st.tuples(
    st.sampled_from(["receive", "pay", "bump", "anew"]), st.integers(0, 2), st.integers(1_000, 30_000), AMOUNTS_RAW
)


@settings(deadline=None, max_examples=200)
@given(amounts_raw=st.lists(AMOUNTS_RAW, min_size=1, max_size=3), script=st.lists(STEPS, min_size=4, max_size=14))
@example(
    amounts_raw=[150_000],
    script=[
        ("pay", 0, 1_000, 0),
        ("pay", 0, 1_000, 0),  # with the change of the first
        ("receive", 0, 0, 400_000),
        ("bump", 0, 9_000, 0),
        ("anew", 0, 1_000, 0),
    ],
)
def test_two_attempts_at_one_payment_exclude_each_other(
    amounts_raw: list[int], script: list[tuple[str, int, int, int]]
) -> None:
    books = Books(amounts_raw)
    for step, number, rate, amount_raw in script:
        try:
            if step == "receive":
                books.receive(amount_raw)
            elif step == "pay" and len(books.attempts) < 3:
                books.pay(rate)
            elif step == "bump" and books.attempts:
                books.bump(number % len(books.attempts), rate)
            elif step == "anew":
                for killed in range(len(books.attempts)):
                    books.sign_anew(killed, rate)
        except (NotEnough, TooLarge, FeeAboveCeiling):
            continue

    claims = books.claims
    possible = list(outcomes(claims)) if len(claims) <= 10 else []
    for attempts in books.attempts:
        for one in attempts:
            assert not [other for other in attempts if other != one and not exclude_each_other(one, other, claims)]
        # The same by trying every order in which they could be mined.
        assert not [mined for mined in possible if len(mined & set(attempts)) > 1]
    # What is said to exclude each other is mined together in none of these orders, and all else is in one.
    for one in claims:
        for other in claims:
            if one < other and possible:
                together = any({one, other} <= mined for mined in possible)
                assert together != exclude_each_other(one, other, claims)


def test_a_second_attempt_with_other_coins_could_pay_twice() -> None:
    """Why `required_again`: w2 spends the change of w1, which is bumped; then the first w1 is mined after all."""
    books = Books([150_000])
    books.pay(1_000)
    books.pay(1_000)
    (w1,), (w2,) = books.attempts
    assert books.drafts[w2].claims == (claim(w1, 1),)
    books.bump(0, 5_000)
    other = CoinState(coins=(books.receive(100_000),), change_index=9, rate=1_000)
    careless = books._sign(spending.plan(ACCOUNT, books.drafts[w2].payments, other, CEILING))
    assert not exclude_each_other(w2, careless, books.claims)
    assert any({w2, careless} <= mined for mined in outcomes(books.claims))
    books.sign_anew(1, 1_000)
    assert exclude_each_other(w2, books.attempts[1][-1], books.claims)
