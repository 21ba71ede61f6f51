"""Sending on Tron: drafts and their bytes, costs, broadcasts, and the outcome of transactions."""

import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.core import clock
from app.networks.port import (
    BlockRef,
    FeeAboveCeiling,
    NetworkError,
    NodeUnavailable,
    NotATransfer,
    UnreadableAnswer,
    WouldFail,
)
from app.networks.sending import (
    Broadcast,
    Cost,
    Draft,
    Payment,
    Prices,
    Reference,
    Resources,
    Signed,
    StakeMove,
    TimedSender,
    TimedState,
)
from app.networks.throttle import LocalThrottle
from app.networks.tron import transactions
from app.networks.tron.addresses import to_hex
from app.networks.tron.config import TronConfig
from app.networks.tron.sending import RESEND_S, TronSender
from app.signer.outcome import Outcome, outcome
from tests.factories.tron import USDT, tron_network
from tests.factories.tron_accounts import KEY, OTHER, OWNER, RECIPIENT
from tests.fakes.tron_answers import (
    DOWN,
    ENERGY_OF_EMPTY,
    ENERGY_OF_HOLDER,
    FINAL,
    HEAD,
    HEAD_TIME_MS,
    PARAMETERS,
    ScriptedNode,
    accepted,
    accounts,
    block_id,
    header,
    newest,
    refused_simulation,
    reverted,
    scripted_node,
    simulated,
    token,
    txid_of,
)

TOKENS = Payment(RECIPIENT, "USDT", 12_345_678)
COINS = Payment(RECIPIENT, "TRX", 2_500_000)
LEND = StakeMove("lend", 5_000_000, RECIPIENT)
MOVES = [LEND, StakeMove("reclaim", 5_000_000, RECIPIENT), StakeMove("stake", 7), StakeMove("unstake", 7)]

NOWHERE = "http://127.0.0.1:1"
CONFIRMATIONS = 10

FEE_LIMIT = 15_634_200
SALT = 1_777_445_361_123
FINAL_BLOCK = BlockRef(FINAL, block_id(FINAL), block_id(FINAL - 1), datetime(2026, 4, 29, 6, 48, 27, tzinfo=UTC))
HEAD_TIME = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=HEAD_TIME_MS)
EXPIRES_MS = HEAD_TIME_MS + 180_000

WORD = "{:064x}".format
PAUSED, IS_BLACK_LISTED, IS_BLACKLISTED = "5c975abb", "e47d6060", "fe575a87"
BASIS_POINTS, MAXIMUM_FEE, BALANCE_OF = "dd644f72", "35390714", "70a08231"
TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def state(fee_limit_raw: int = FEE_LIMIT, cap_raw: int = 15_979_200, salt: int = SALT) -> TimedState:
    cost = Cost(energy=ENERGY_OF_HOLDER, size=345, activates=False, fee_limit_raw=fee_limit_raw)
    return TimedState(sender=OWNER, reference=Reference(FINAL_BLOCK, HEAD_TIME), salt=salt, cost=cost, cap_raw=cap_raw)


FREE = state(fee_limit_raw=0, cap_raw=1_367_000)


class Scan:
    """Our own scan of the blocks: in which block it has found each transaction."""

    def __init__(self) -> None:
        self.blocks: dict[str, str] = {}

    async def mined_in(self, txids: Collection[str]) -> Mapping[str, str]:
        return {txid: self.blocks[txid] for txid in txids if txid in self.blocks}


@asynccontextmanager
async def sender_at(*nodes: ScriptedNode, scan: Scan | None = None, **changes: Any) -> AsyncIterator[TronSender]:
    network = tron_network([node.url for node in nodes] or [NOWHERE])
    network = msgspec.structs.replace(network, **{"confirmations": CONFIRMATIONS, "max_head_age_s": 10**9, **changes})
    sender = TronSender(network, (scan or Scan()).mined_in, LocalThrottle())
    try:
        yield sender
    finally:
        await sender.aclose()


@pytest.fixture
async def sender() -> AsyncIterator[TronSender]:
    """For what needs no node."""
    async with sender_at() as sender:
        yield sender


def planned(sender: TronSender, what: Payment | StakeMove) -> Draft:
    if isinstance(what, StakeMove):
        return sender.plan_stake(what, FREE)
    return sender.plan([what], state() if what.asset_symbol == "USDT" else FREE)


class TestDrafts:
    """What is planned, signed and read again."""

    @pytest.mark.parametrize("what", [TOKENS, COINS, *MOVES, StakeMove("withdraw", 0)], ids=str)
    def test_signed_bytes_say_what_was_planned(self, sender: TronSender, what: Payment | StakeMove) -> None:
        draft = planned(sender, what)
        signed = sender.sign(draft, KEY)
        parsed = sender.parse(signed.raw, draft)

        assert parsed.payments == draft.payments == (() if isinstance(what, StakeMove) else (what,))
        assert parsed.stake_move == (what if isinstance(what, StakeMove) else None)
        assert parsed.claims == draft.claims == (f"until:{OWNER}:{EXPIRES_MS}:{SALT}",)
        assert (parsed.sender, parsed.nonce) == (OWNER, None)
        assert sender.expires_at(draft) == HEAD_TIME + timedelta(seconds=180)
        assert signed.txid == txid_of(signed.raw)

    def test_it_is_made_on_the_final_block(self, sender: TronSender) -> None:
        body = transactions.decode(sender.sign(planned(sender, TOKENS), KEY).raw)
        assert body.ref_block_bytes.hex() == f"{FINAL:x}"[-4:]
        assert body.ref_block_hash.hex() == block_id(FINAL)[16:32]

    def test_equal_payments_are_kept_apart_by_their_salt_alone(self, sender: TronSender) -> None:
        first, same, second = (sender.plan([TOKENS], state(salt=salt)) for salt in (SALT, SALT, SALT + 1))
        assert sender.sign(first, KEY) == sender.sign(same, KEY)
        assert sender.sign(first, KEY).txid != sender.sign(second, KEY).txid
        assert first.claims != second.claims

    def test_one_payment_a_transaction(self, sender: TronSender) -> None:
        for payments in ([], [TOKENS, COINS]):
            with pytest.raises(ValueError, match="unpack"):
                sender.plan(payments, state())

    @pytest.mark.parametrize("dear", [state(cap_raw=50_000_001), state(fee_limit_raw=50_000_001)])
    def test_nothing_dearer_than_the_ceiling_is_planned(self, sender: TronSender, dear: TimedState) -> None:
        with pytest.raises(FeeAboveCeiling):
            sender.plan([TOKENS], dear)
        with pytest.raises(FeeAboveCeiling):
            sender.plan_stake(LEND, dear)

    @pytest.mark.parametrize("what", [TOKENS, LEND], ids=str)
    def test_bytes_of_another_form_are_refused(self, sender: TronSender, what: Payment | StakeMove) -> None:
        draft = planned(sender, what)
        raw, form = sender.sign(draft, KEY).raw, msgspec.json.decode(draft.form)
        changes: list[dict[str, Any]] = [
            {"ref_block_bytes": "0000"},
            {"ref_block_hash": 16 * "0"},
            {"expiration_ms": EXPIRES_MS + 1},
            {"timestamp_ms": SALT + 1},
            {"fee_limit_raw": form["fee_limit_raw"] + 1},
            {"move": {"action": "reclaim", "amount_raw": 5_000_000, "to_address": RECIPIENT}},
        ]
        for change in changes:
            with pytest.raises(NotATransfer):
                sender.parse(raw, msgspec.structs.replace(draft, form=msgspec.json.encode({**form, **change})))
        with pytest.raises(NotATransfer):
            sender.parse(raw, msgspec.structs.replace(draft, form=b"{}"))

    def test_bytes_that_may_cost_more_than_is_reserved_are_refused(self, sender: TronSender) -> None:
        draft = planned(sender, TOKENS)
        raw = sender.sign(draft, KEY).raw
        with pytest.raises(NotATransfer, match="reserved"):
            sender.parse(raw, msgspec.structs.replace(draft, fee_cap_raw=FEE_LIMIT - 1))

    async def test_bytes_above_a_lowered_ceiling_are_refused(self, sender: TronSender) -> None:
        draft = planned(sender, TOKENS)
        raw = sender.sign(draft, KEY).raw
        async with sender_at(max_fee_limit_sun=FEE_LIMIT - 1) as stricter:
            with pytest.raises(NotATransfer, match="ceiling"):
                stricter.parse(raw, draft)

    async def test_another_token_is_refused(self, sender: TronSender) -> None:
        draft = planned(sender, TOKENS)
        raw = sender.sign(draft, KEY).raw
        assets = (msgspec.structs.replace(tron_network([NOWHERE]).assets[0], contract=OTHER),)
        async with sender_at(assets=assets) as other:
            with pytest.raises(NotATransfer, match="no transfer of an asset"):
                other.parse(raw, draft)

    @pytest.mark.parametrize(
        "edit",
        [
            {"payments": (TOKENS, TOKENS)},
            {"payments": ()},
            {"payments": (Payment(RECIPIENT, "USDT", 0),)},
            {"payments": (Payment("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "USDT", 1),)},
            {"sender": None},
            {"form": b"{}"},
            {"form": b'{"ref_block_bytes":"zz"}'},
        ],
        ids=str,
    )
    def test_an_edited_draft_is_not_signed(self, sender: TronSender, edit: dict[str, Any]) -> None:
        with pytest.raises(NotATransfer):
            sender.sign(msgspec.structs.replace(planned(sender, TOKENS), **edit), KEY)

    def test_a_token_is_not_sent_without_a_fee_limit(self, sender: TronSender) -> None:
        draft = sender.plan([TOKENS], state(fee_limit_raw=0))
        with pytest.raises(NotATransfer, match="fee limit"):
            sender.sign(draft, KEY)

    def test_another_key_than_the_senders_is_noticed(self, sender: TronSender) -> None:
        draft = planned(sender, TOKENS)
        with pytest.raises(NotATransfer, match="owner has not signed"):
            sender.parse(sender.sign(draft, 32 * b"\1").raw, draft)


def test_it_implements_the_port() -> None:
    sender: TimedSender = TronSender(tron_network([NOWHERE]), Scan().mined_in, LocalThrottle())
    assert sender


def test_a_process_that_signs_nothing_loads_no_library_for_it() -> None:
    program = (
        "import sys, app.networks.tron.sending; "
        "print([name for name in ('eth_account', 'eth_keys', 'google.protobuf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def refusal(code: str, message: str = "Contract validate error : not so.") -> dict[str, Any]:
    return {"code": code, "message": message, "txid": 64 * "0"}


class TestBroadcast:
    """What a node's answer to signed bytes means. None proves anything."""

    @pytest.fixture
    def signed(self, sender: TronSender) -> Signed:
        return sender.sign(planned(sender, TOKENS), KEY)

    @pytest.mark.parametrize(
        ("answer", "meaning"),
        [
            (accepted, Broadcast.ACCEPTED),
            (lambda body: {"result": True, "txid": accepted(body)["txid"]}, Broadcast.ACCEPTED),
            (refusal("DUP_TRANSACTION_ERROR", "Dup transaction."), Broadcast.UNPROVEN),
            (refusal("BANDWITH_ERROR", "Account resource insufficient error."), Broadcast.SHORT),
            (
                refusal("CONTRACT_VALIDATE_ERROR", "Validate TransferContract error, balance is not sufficient."),
                Broadcast.SHORT,
            ),
            (refusal("CONTRACT_VALIDATE_ERROR", "Contract validate error : No contract!"), Broadcast.REFUSED),
            (refusal("CONTRACT_EXE_ERROR"), Broadcast.REFUSED),
            (refusal("SIGERROR", "Validate signature error"), Broadcast.REFUSED),
            (refusal("TAPOS_ERROR", "Tapos check error."), Broadcast.REFUSED),
            (refusal("TOO_BIG_TRANSACTION_ERROR"), Broadcast.REFUSED),
            (refusal("TRANSACTION_EXPIRATION_ERROR", "Transaction expired"), Broadcast.REFUSED),
            (refusal("SERVER_BUSY"), NodeUnavailable),
            (refusal("NO_CONNECTION"), NodeUnavailable),
            (refusal("NOT_ENOUGH_EFFECTIVE_CONNECTION", "P2P broadcast failed."), NodeUnavailable),
            (refusal("BLOCK_UNSOLIDIFIED"), NodeUnavailable),
            (refusal("OTHER_ERROR"), NodeUnavailable),
            ({"Error": "class java.lang.IllegalAccessException : lack of computing resources"}, NodeUnavailable),
            ({"result": False}, UnreadableAnswer),
            ({}, UnreadableAnswer),
            ({"result": True, "code": "SUCCESS", "txid": 64 * "0"}, UnreadableAnswer),
        ],
    )
    async def test_each_answer(self, signed: Signed, answer: Any, meaning: Any) -> None:
        async with scripted_node({"wallet/broadcasthex": answer}) as node, sender_at(node) as sender:
            if isinstance(meaning, Broadcast):
                assert await sender.broadcast(signed) is meaning
                # Only what was accepted counts as known.
                assert await sender.pooled([signed.txid]) == [meaning is Broadcast.ACCEPTED]
            else:
                with pytest.raises(meaning):
                    await sender.broadcast(signed)
            assert ("wallet/broadcasthex", {"transaction": signed.raw.hex()}) in node.asked

    @pytest.mark.parametrize(
        ("first", "second", "meaning"),
        [
            (refusal("TAPOS_ERROR"), accepted, Broadcast.ACCEPTED),
            (refusal("DUP_TRANSACTION_ERROR"), accepted, Broadcast.ACCEPTED),
            (DOWN, accepted, Broadcast.ACCEPTED),
            (DOWN, refusal("SIGERROR"), Broadcast.REFUSED),
            ({"result": False}, accepted, Broadcast.ACCEPTED),
            (refusal("TRANSACTION_EXPIRATION_ERROR"), refusal("DUP_TRANSACTION_ERROR"), Broadcast.UNPROVEN),
            (refusal("SIGERROR"), refusal("BANDWITH_ERROR"), Broadcast.SHORT),
        ],
    )
    async def test_another_node_is_asked_unless_one_accepts(
        self, signed: Signed, first: Any, second: Any, meaning: Broadcast
    ) -> None:
        async with (
            scripted_node({"wallet/broadcasthex": first}) as one,
            scripted_node({"wallet/broadcasthex": second}) as two,
            sender_at(one, two) as sender,
        ):
            assert await sender.broadcast(signed) is meaning

    async def test_where_no_node_answers_the_outcome_is_unknown(self, signed: Signed) -> None:
        script = {"wallet/broadcasthex": DOWN}
        async with scripted_node(script) as one, scripted_node(script) as two, sender_at(one, two) as sender:
            with pytest.raises(NodeUnavailable):
                await sender.broadcast(signed)
            assert "wallet/broadcasthex" in one.paths()
            assert "wallet/broadcasthex" in two.paths()

    async def test_what_was_accepted_and_dropped_goes_to_another_node(
        self, signed: Signed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started_s = clock.monotonic_s()
        async with scripted_node() as one, scripted_node() as two, sender_at(one, two) as sender:
            await sender.broadcast(signed)
            assert await sender.pooled([signed.txid]) == [True]
            monkeypatch.setattr(clock, "monotonic_s", lambda: started_s + RESEND_S + 1)
            assert await sender.pooled([signed.txid]) == [False]
            await sender.broadcast(signed)
            assert ("wallet/broadcasthex" in one.paths(), two.paths()) == (True, ["wallet/broadcasthex"])
            assert one.paths().count("wallet/broadcasthex") == 1

    async def test_what_was_accepted_before_and_is_known_waits(
        self, signed: Signed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started_s = clock.monotonic_s()
        async with scripted_node() as node, sender_at(node) as sender:
            await sender.broadcast(signed)
            monkeypatch.setattr(clock, "monotonic_s", lambda: started_s + RESEND_S + 1)
            node.script["wallet/broadcasthex"] = refusal("DUP_TRANSACTION_ERROR")
            assert await sender.broadcast(signed) is Broadcast.UNPROVEN
            assert await sender.pooled([signed.txid]) == [True]

    async def test_what_is_in_a_block_is_known(self, signed: Signed) -> None:
        scan = Scan()
        async with scripted_node() as node, sender_at(node, scan=scan) as sender:
            assert await sender.pooled([signed.txid]) == [False]
            node.script["wallet/gettransactioninfobyid"] = {"id": signed.txid, "blockNumber": HEAD}
            assert await sender.pooled([signed.txid]) == [True]
            node.script["wallet/gettransactioninfobyid"] = {}
            scan.blocks[signed.txid] = block_id(HEAD)
            assert await sender.pooled([signed.txid]) == [True]

    async def test_after_its_expiration_nothing_is_sent(self, signed: Signed) -> None:
        late = {"blockID": block_id(HEAD), "block_header": {"raw_data": {"parentHash": 64 * "0", "number": HEAD}}}
        late["block_header"]["raw_data"]["timestamp"] = EXPIRES_MS  # type: ignore[index]
        async with scripted_node() as node, sender_at(node) as sender:
            await sender.head_height()
            assert await sender.broadcast(signed) is Broadcast.ACCEPTED
            node.script["wallet/getblock"] = late
            await sender.head_height()
            sent = node.paths().count("wallet/broadcasthex")
            assert await sender.broadcast(signed) is Broadcast.REFUSED
            assert node.paths().count("wallet/broadcasthex") == sent


RICH: dict[str, dict[str, Any]] = {
    OWNER: {"balance": 100_000_000},
    RECIPIENT: {"balance": 1},
    OTHER: {"type": "Contract"},
}


class TestCosts:
    """What a transaction takes, and what that costs."""

    @pytest.mark.parametrize(("holders", "energy"), [([RECIPIENT], ENERGY_OF_HOLDER), ([], ENERGY_OF_EMPTY)])
    async def test_a_token(self, holders: list[str], energy: int) -> None:
        script = {"wallet/getaccount": accounts(RICH), "wallet/triggerconstantcontract": token({}, holders)}
        async with scripted_node(script) as node, sender_at(node) as sender:
            cost = await sender.cost(OWNER, TOKENS)
            asked = next(body for path, body in node.asked if path == "wallet/triggerconstantcontract")

        # The recipient may hold nothing by then, so the limit is that of an empty one: 130,285 x 100 x 1.2.
        assert cost == Cost(energy=energy, size=345, activates=False, fee_limit_raw=15_634_200)
        words = to_hex(RECIPIENT)[2:].rjust(64, "0") + WORD(12_345_678)
        assert asked == {
            "owner_address": to_hex(OWNER),
            "contract_address": to_hex(USDT),
            "data": "a9059cbb" + words,
        }

    async def test_staked_energy_makes_it_cheaper_and_never_lowers_its_limit(self) -> None:
        script = {
            "wallet/getaccount": accounts(RICH),
            "wallet/triggerconstantcontract": token({}, [RECIPIENT]),
            "wallet/getaccountresource": {
                **{"EnergyLimit": 9_000_000, "NetLimit": 5_000, "freeNetLimit": 600, "freeNetUsed": 600},
                **{"TotalEnergyLimit": 180_000_000_000, "TotalEnergyWeight": 19_000_000_000},
            },
        }
        async with scripted_node(script) as node, sender_at(node) as sender:
            cost, prices, resources = (
                await sender.cost(OWNER, TOKENS),
                await sender.prices(),
                await sender.resources(OWNER),
            )
        assert cost.fee_limit_raw == 15_634_200
        assert cost.burned_raw(prices, resources) == 0
        assert cost.burned_raw(prices, Resources(exists=True)) == 6_428_500 + 345_000
        assert cost.cap_raw(prices) == 15_634_200 + 345_000

    async def test_coin(self) -> None:
        async with scripted_node({"wallet/getaccount": accounts(RICH)}) as node, sender_at(node) as sender:
            prices = await sender.prices()
            cost = await sender.cost(OWNER, COINS)
            assert (cost.energy, cost.activates, cost.fee_limit_raw) == (0, False, 0)
            assert cost.burned_raw(prices, Resources(exists=True)) == cost.size * 1_000

    async def test_coin_to_an_account_that_does_not_exist(self) -> None:
        script = {"wallet/getaccount": accounts({OWNER: {"balance": 100_000_000}})}
        async with scripted_node(script) as node, sender_at(node) as sender:
            prices = await sender.prices()
            cost = await sender.cost(OWNER, COINS)
            assert cost.activates
            assert cost.burned_raw(prices, Resources(exists=True)) == 1_100_000  # no bytes beside it

    async def test_tokens_of_an_account_that_does_not_exist(self) -> None:
        script = {"wallet/getaccount": {}, "wallet/triggerconstantcontract": token({}, [RECIPIENT])}
        async with scripted_node(script) as node, sender_at(node) as sender:
            assert not (await sender.resources(OWNER)).exists
            assert (await sender.cost(OWNER, TOKENS)).energy == ENERGY_OF_HOLDER

    @pytest.mark.parametrize(
        ("payment", "changes", "words"),
        [
            (TOKENS, {"wallet/triggerconstantcontract": reverted()}, "REVERT opcode executed"),
            (
                TOKENS,
                {
                    "wallet/triggerconstantcontract": reverted(
                        "08c379a0" + WORD(32) + WORD(8) + b"too much".hex().ljust(64, "0")
                    )
                },
                "too much",
            ),
            (
                TOKENS,
                {"wallet/triggerconstantcontract": refused_simulation("Smart contract is not exist.")},
                "not exist",
            ),
            (COINS, {"wallet/getaccount": {}}, "does not exist yet"),
            (COINS, {"wallet/getaccount": accounts({**RICH, OWNER: {"balance": 2_499_999}})}, "too little"),
            (Payment(OTHER, "TRX", 1), {}, "contract"),
            (Payment(OWNER, "TRX", 1), {}, "itself"),
        ],
    )
    async def test_what_would_fail(self, payment: Payment, changes: dict[str, Any], words: str) -> None:
        script = {"wallet/getaccount": accounts(RICH), "wallet/triggerconstantcontract": token({}), **changes}
        async with scripted_node(script) as node, sender_at(node) as sender:
            with pytest.raises(WouldFail, match=words):
                await sender.cost(OWNER, payment)

    @pytest.mark.parametrize(
        "answer",
        [
            refused_simulation("this node does not support constant"),
            refused_simulation("timeout", "OTHER_ERROR"),
        ],
    )
    async def test_a_node_that_simulates_nothing_says_nothing(self, answer: Any) -> None:
        script = {"wallet/getaccount": accounts(RICH), "wallet/triggerconstantcontract": answer}
        working = {**script, "wallet/triggerconstantcontract": token({}, [RECIPIENT])}
        async with scripted_node(script) as one, sender_at(one) as sender:
            with pytest.raises(NodeUnavailable):
                await sender.cost(OWNER, TOKENS)
        async with scripted_node(script) as one, scripted_node(working) as two, sender_at(one, two) as sender:
            assert (await sender.cost(OWNER, TOKENS)).energy == ENERGY_OF_HOLDER

    async def test_a_simulation_without_energy_is_no_answer(self) -> None:
        script = {"wallet/getaccount": accounts(RICH), "wallet/triggerconstantcontract": simulated(energy=0)}
        async with scripted_node(script) as node, sender_at(node) as sender:
            with pytest.raises(UnreadableAnswer):
                await sender.cost(OWNER, TOKENS)

    async def test_dearer_than_the_ceiling(self) -> None:
        script = {"wallet/getaccount": accounts(RICH), "wallet/triggerconstantcontract": token({}, [RECIPIENT])}
        # The limit is within the ceiling; with its bytes it isn't.
        async with scripted_node(script) as node, sender_at(node, max_fee_limit_sun=15_700_000) as sender:
            with pytest.raises(FeeAboveCeiling):
                await sender.cost(OWNER, TOKENS)

    async def test_prices(self) -> None:
        async with scripted_node() as node, sender_at(node) as sender:
            prices = await sender.prices()
            await sender.prices()
            assert node.paths().count("wallet/getchainparameters") == 1
        assert prices == Prices(
            energy_raw=100,
            byte_raw=1_000,
            activation_raw=1_100_000,
            energy_per_stake=180_000_000_000,
            stake_for_energy=19_000_000_000_000_000,
        )
        assert prices.stake_raw(64_285) == 6_785_638_889  # 6,786 TRX staked give a transfer a day

    async def test_prices_are_those_of_their_names(self) -> None:
        turned = {"chainParameter": PARAMETERS["chainParameter"][::-1]}
        async with scripted_node({"wallet/getchainparameters": turned}) as node, sender_at(node) as sender:
            assert (await sender.prices()).energy_raw == 100
        free = {"chainParameter": [{"key": "getEnergyFee"}, *PARAMETERS["chainParameter"][:3]]}
        async with scripted_node({"wallet/getchainparameters": free}) as node, sender_at(node) as sender:
            with pytest.raises(UnreadableAnswer, match="getEnergyFee"):
                await sender.prices()

    async def test_where_nobody_tells_what_staking_gives_nobody_stakes(self) -> None:
        async with scripted_node({"wallet/getaccountresource": {}}) as node, sender_at(node) as sender:
            assert (await sender.prices()).stake_raw(1) > 10**20

    async def test_resources(self) -> None:
        script = {
            "wallet/getaccount": accounts(
                {
                    OWNER: {
                        "balance": 5_000_000,
                        "frozenV2": [{"amount": 9}, {"type": "ENERGY", "amount": 70_000_000}, {"type": "TRON_POWER"}],
                        "account_resource": {"delegated_frozenV2_balance_for_energy": 30_000_000},
                    }
                }
            ),
            "wallet/getaccountresource": {
                **{"freeNetLimit": 600, "freeNetUsed": 441, "NetLimit": 100, "NetUsed": 100},
                **{"EnergyLimit": 650, "EnergyUsed": 150},
            },
            "wallet/getcandelegatedmaxsize": lambda body: {"max_size": 60_000_000} if body["type"] == 1 else {},
        }
        async with scripted_node(script) as node, sender_at(node) as sender:
            assert await sender.resources(OWNER) == Resources(
                exists=True,
                energy=500,
                energy_limit=650,
                bytes_staked=0,
                bytes_free=159,
                spendable_raw=5_000_000,
                staked_raw=100_000_000,
                lendable_raw=60_000_000,
                lent_raw=30_000_000,
            )
            assert await sender.resources(RECIPIENT) == Resources(exists=False)

    async def test_a_move_of_stake_takes_bytes_alone(self, sender: TronSender) -> None:
        assert await sender.stake_cost(LEND) == Cost(energy=0, size=278, activates=False, fee_limit_raw=0)


def transaction(txid: str, **changes: Any) -> dict[str, Any]:
    """`gettransactionbyid`: a call of the token's transfer that succeeded."""
    data = "a9059cbb" + to_hex(RECIPIENT)[2:].rjust(64, "0") + WORD(12_345_678)
    value = {"data": data, "owner_address": to_hex(OWNER), "contract_address": to_hex(USDT)}
    return {
        "ret": [{"contractRet": "SUCCESS"}],
        "txID": txid,
        "raw_data": {"contract": [{"parameter": {"value": value}, "type": "TriggerSmartContract"}]},
        "raw_data_hex": "0a02",
        **changes,
    }


def of_coins(txid: str, outcome: str = "SUCCESS") -> dict[str, Any]:
    value = {"amount": 2_500_000, "owner_address": to_hex(OWNER), "to_address": to_hex(RECIPIENT)}
    contract = [{"parameter": {"value": value}, "type": "TransferContract"}]
    return transaction(txid, raw_data={"contract": contract}, ret=[{"contractRet": outcome}])


def log(recipient: str = RECIPIENT, amount_raw: int = 12_345_678, contract: str = USDT) -> dict[str, Any]:
    words = [to_hex(address)[2:].rjust(64, "0") for address in (OWNER, recipient)]
    return {"address": to_hex(contract)[2:], "topics": [TRANSFER_TOPIC, *words], "data": WORD(amount_raw)}


def info(txid: str, **changes: Any) -> dict[str, Any]:
    """`gettransactioninfobyid`: the same."""
    return {
        "id": txid,
        "fee": 6_773_500,
        "blockNumber": FINAL - 1,
        "contractResult": [WORD(0)],
        "receipt": {"energy_fee": 6_428_500, "energy_usage_total": 64_285, "net_fee": 345_000, "result": "SUCCESS"},
        "log": [log()],
        **changes,
    }


def failed(reason: str) -> dict[str, Any]:
    return {"result": "FAILED", "receipt": {"result": reason}, "log": []}


class TestReceipts:
    """What a transaction that our scan has found in a block has done."""

    TXID = 64 * "5"

    @asynccontextmanager
    async def sender(
        self, of_node: Any, known: Any, *, final: tuple[Any, Any] | None = None, height: int = FINAL - 1
    ) -> AsyncIterator[TronSender]:
        scan = Scan()
        scan.blocks[self.TXID] = block_id(height)
        final_info, final_known = final or (of_node, known)
        script = {
            "wallet/gettransactioninfobyid": of_node,
            "wallet/gettransactionbyid": known,
            "walletsolidity/gettransactioninfobyid": final_info,
            "walletsolidity/gettransactionbyid": final_known,
        }
        async with scripted_node(script) as node, sender_at(node, scan=scan) as sender:
            yield sender

    async def test_a_token_that_was_paid(self) -> None:
        async with self.sender(info(self.TXID), transaction(self.TXID)) as sender:
            receipt = (await sender.receipts([self.TXID]))[self.TXID]
        assert (receipt.height, receipt.block_hash) == (FINAL - 1, block_id(FINAL - 1))
        assert (receipt.fee_raw, receipt.confirmations) == (6_773_500, HEAD - FINAL + 2)
        assert outcome(receipt, [TOKENS], OWNER) is Outcome.PAID

    async def test_coin_that_was_paid(self) -> None:
        # A transfer of coin has no receipt's result, and no log.
        paid = {"id": self.TXID, "blockNumber": FINAL - 1, "contractResult": [""], "receipt": {"net_usage": 268}}
        async with self.sender(paid, of_coins(self.TXID)) as sender:
            receipt = (await sender.receipts([self.TXID]))[self.TXID]
        assert receipt.fee_raw == 0
        assert outcome(receipt, [COINS], OWNER) is Outcome.PAID

    @pytest.mark.parametrize("reason", ["REVERT", "OUT_OF_ENERGY", "OUT_OF_TIME", "TRANSFER_FAILED"])
    async def test_a_call_that_failed_has_moved_nothing_whatever_it_says(self, reason: str) -> None:
        calls = transaction(self.TXID, ret=[{"contractRet": reason}])
        async with self.sender(info(self.TXID, **failed(reason)), calls) as sender:
            receipt = (await sender.receipts([self.TXID]))[self.TXID]
        assert not receipt.succeeded
        assert receipt.transfers == ()
        assert outcome(receipt, [TOKENS], OWNER) is Outcome.NOTHING

    @pytest.mark.parametrize(
        "logs",
        [
            [],
            [log(recipient=OTHER)],
            [log(amount_raw=12_345_677)],
            [log(amount_raw=12_000_000), log(OTHER, 345_678)],  # the token keeps a fee
            [log(contract=OTHER)],  # a contract that looks like the token, or that has taken its place
            [{**log(), "topics": [*log()["topics"], WORD(1)]}],
            [{**log(), "data": WORD(12_345_678) + WORD(0)}],
        ],
    )
    async def test_without_the_log_a_success_is_neither_paid_nor_failed(self, logs: list[Any]) -> None:
        async with self.sender(info(self.TXID, log=logs), transaction(self.TXID)) as sender:
            receipt = (await sender.receipts([self.TXID]))[self.TXID]
        silence = TronConfig.silence_is_failure
        assert outcome(receipt, [TOKENS], OWNER, silence_is_failure=silence) is Outcome.OTHERWISE

    @pytest.mark.parametrize(
        ("of_node", "known"),
        [
            (failed("REVERT"), {}),  # its block says that it succeeded
            ({"result": "FAILED"}, {}),
            ({"receipt": {"result": "REVERT"}}, {}),
            ({"receipt": {}}, {}),  # a call without an outcome
            ({}, {"ret": [{"contractRet": "REVERT"}]}),
            ({}, {"ret": []}),
            ({"id": 64 * "6"}, {}),
            ({}, {"txID": 64 * "6"}),
            ({}, {"raw_data": {"contract": []}}),
            ({"log": [{**log(), "data": 64 * "g"}]}, {}),
        ],
    )
    async def test_answers_that_contradict_each_other_are_no_outcome(self, of_node: Any, known: Any) -> None:
        async with self.sender(info(self.TXID, **of_node), transaction(self.TXID, **known)) as sender:
            with pytest.raises(UnreadableAnswer):
                await sender.receipts([self.TXID])

    async def test_nothing_is_confirmed_before_its_block_is_final(self) -> None:
        of_node = info(self.TXID, blockNumber=FINAL + 1)
        async with self.sender(of_node, transaction(self.TXID), height=FINAL + 1) as sender:
            assert (await sender.receipts([self.TXID]))[self.TXID].confirmations == CONFIRMATIONS - 1
        async with self.sender(info(self.TXID), transaction(self.TXID), final=({}, {})) as sender:
            # The full node's word is not enough: those that know only final blocks must have it too.
            assert (await sender.receipts([self.TXID]))[self.TXID].confirmations == CONFIRMATIONS - 1

    async def test_what_counts_at_last_is_the_final_outcome(self) -> None:
        reverted_one = transaction(self.TXID, ret=[{"contractRet": "REVERT"}])
        final = (info(self.TXID, **failed("REVERT")), reverted_one)
        async with self.sender(info(self.TXID), transaction(self.TXID), final=final) as sender:
            receipt = (await sender.receipts([self.TXID]))[self.TXID]
        assert not receipt.succeeded

    @pytest.mark.parametrize(
        ("of_node", "height"), [({}, FINAL - 1), (info(TXID), FINAL - 2)], ids=["node lags", "reorganised"]
    )
    async def test_what_the_node_does_not_have_in_that_block_has_no_receipt(self, of_node: Any, height: int) -> None:
        async with self.sender(of_node, transaction(self.TXID), height=height) as sender:
            assert await sender.receipts([self.TXID]) == {}

    async def test_what_our_scan_has_not_found_has_no_receipt(self) -> None:
        async with self.sender(info(self.TXID), transaction(self.TXID)) as sender:
            assert await sender.receipts([64 * "7"]) == {}


class TestReading:
    """What else is asked of nodes."""

    async def test_what_a_transaction_is_made_on(self) -> None:
        async with scripted_node() as node, sender_at(node) as sender:
            reference = await sender.reference()
            assert (await sender.head_height(), await sender.confirmed_height()) == (HEAD, FINAL)
        assert (reference.final.height, reference.final.hash) == (FINAL, block_id(FINAL))
        assert reference.head_time == HEAD_TIME

    async def test_nothing_is_made_on_what_a_node_behind_says(self) -> None:
        now_ms = int(clock.unshifted_now().timestamp() * 1_000)
        fresh = header(HEAD)
        fresh["block_header"]["raw_data"]["timestamp"] = now_ms
        of_fresh = {"wallet/getblock": lambda body: newest(0)(body) if "id_or_num" in body else fresh}
        async with scripted_node() as behind, scripted_node(of_fresh) as other:
            async with sender_at(behind, other, max_head_age_s=30) as sender:
                reference = await sender.reference()
                assert reference.head_time == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=now_ms)
            async with sender_at(behind, max_head_age_s=30) as sender:
                with pytest.raises(NodeUnavailable, match="behind"):
                    await sender.reference()

    @pytest.mark.parametrize(
        ("of_second", "is_absent"),
        [
            ({}, True),
            ({"wallet/gettransactioninfobyid": {"id": 64 * "5"}}, False),
            ({"wallet/gettransactionbyid": {"txID": 64 * "5"}}, False),
            ({"walletsolidity/gettransactioninfobyid": {"id": 64 * "5"}}, False),
            ({"walletsolidity/gettransactionbyid": {"txID": 64 * "5"}}, False),
            ({"wallet/gettransactionbyid": DOWN}, False),
            ({"walletsolidity/gettransactionbyid": {"Error": "class java.lang.Exception : no"}}, False),
        ],
    )
    async def test_absent_is_what_every_node_says_it_does_not_have(self, of_second: Any, is_absent: bool) -> None:
        async with scripted_node() as one, scripted_node(of_second) as two, sender_at(one, two) as sender:
            assert await sender.absent([64 * "5"]) == {64 * "5": is_absent}

    async def test_what_the_issuer_allows(self) -> None:
        frozen = to_hex(OTHER)[2:]
        functions = {PAUSED: WORD(1), BASIS_POINTS: WORD(10), MAXIMUM_FEE: WORD(5_000_000)}
        calls = token(functions)

        def answer(body: Any) -> Any:
            if body["data"].startswith(IS_BLACK_LISTED):
                return simulated(WORD(body["data"].endswith(frozen)))
            return calls(body)

        async with scripted_node({"wallet/triggerconstantcontract": answer}) as node, sender_at(node) as sender:
            found = await sender.token_state("USDT", [OWNER, OTHER])
            assert (found.is_paused, set(found.frozen), found.fee_bps) == (True, {OTHER}, 10)
            functions[PAUSED], functions[MAXIMUM_FEE] = WORD(0), WORD(0)
            found = await sender.token_state("USDT", [OWNER])
            assert (found.is_paused, found.frozen, found.fee_bps) == (False, frozenset(), 0)
            found = await sender.token_state("TRX", [OTHER])
            assert (found.is_paused, found.frozen) == (False, frozenset())

    async def test_another_name_of_the_same(self) -> None:
        calls = token({IS_BLACKLISTED: WORD(1)})
        async with scripted_node({"wallet/triggerconstantcontract": calls}) as node, sender_at(node) as sender:
            assert (await sender.token_state("USDT", [OTHER])).frozen == {OTHER}
            asked = len(node.asked)
            # What the contract doesn't have is not asked for each time.
            assert (await sender.token_state("USDT", [OTHER])).frozen == {OTHER}
            assert len(node.asked) == asked + 1

    @pytest.mark.parametrize(
        "answer",
        [
            refused_simulation("this node does not support constant"),
            refused_simulation("Smart contract is not exist."),
            {},
            {**simulated(), "transaction": {"ret": []}},
            DOWN,
        ],
    )
    async def test_what_is_no_answer_does_not_say_that_all_is_allowed(self, answer: Any) -> None:
        async with scripted_node({"wallet/triggerconstantcontract": answer}) as node, sender_at(node) as sender:
            for _ in range(2):
                with pytest.raises((NodeUnavailable, UnreadableAnswer)):
                    await sender.token_state("USDT", [OTHER])

    @pytest.mark.parametrize("later", [reverted(), simulated(""), refused_simulation("Smart contract is not exist.")])
    async def test_a_function_that_has_answered_is_there(self, later: Any) -> None:
        """A node that lacks the contract's block, or fails otherwise, never says that nothing is frozen."""
        script: dict[str, Any] = {"wallet/triggerconstantcontract": token({IS_BLACK_LISTED: WORD(1)})}
        async with scripted_node(script) as node, sender_at(node) as sender:
            assert (await sender.token_state("USDT", [OTHER])).frozen == {OTHER}
            node.script["wallet/triggerconstantcontract"] = later
            with pytest.raises(NodeUnavailable):
                await sender.token_state("USDT", [OTHER])

    async def test_a_node_without_the_contract_says_nothing(self) -> None:
        lacks = refused_simulation("Smart contract is not exist.")
        script: dict[str, Any] = {"wallet/triggerconstantcontract": lacks}
        async with scripted_node(script) as node, sender_at(node) as sender:
            with pytest.raises(NodeUnavailable):
                await sender.token_state("USDT", [OTHER])
            node.script["wallet/triggerconstantcontract"] = token({IS_BLACK_LISTED: WORD(1)})
            assert (await sender.token_state("USDT", [OTHER])).frozen == {OTHER}

    async def test_contracts(self) -> None:
        async with scripted_node({"wallet/getaccount": accounts(RICH)}) as node, sender_at(node) as sender:
            assert [await sender.is_contract(each) for each in (OTHER, OWNER)] == [True, False]
        other = {"wallet/getaccount": {"address": to_hex(OTHER)}}
        async with scripted_node(other) as node, sender_at(node) as sender:
            with pytest.raises(UnreadableAnswer):
                await sender.is_contract(OWNER)

    async def test_balances(self) -> None:
        staked = {
            "balance": 1,
            "frozenV2": [{"amount": 20}, {"type": "ENERGY", "amount": 300}, {"type": "TRON_POWER"}],
            "unfrozenV2": [{"type": "ENERGY", "unfreeze_amount": 4_000, "unfreeze_expire_time": HEAD_TIME_MS}],
            "delegated_frozenV2_balance_for_bandwidth": 50_000,
            "account_resource": {"delegated_frozenV2_balance_for_energy": 600_000},
        }
        script = {
            "wallet/getaccount": accounts({OWNER: staked}),
            "walletsolidity/getaccount": accounts({OWNER: {"balance": 7}}),
            "wallet/triggerconstantcontract": token({BALANCE_OF: WORD(5)}),
            "walletsolidity/triggerconstantcontract": token({BALANCE_OF: WORD(4)}),
        }
        async with scripted_node(script) as node, sender_at(node) as sender:
            assert await sender.balances_raw([OWNER, OTHER], "TRX") == {OWNER: 654_321, OTHER: 0}
            assert await sender.balances_raw([OWNER], "TRX", final=True) == {OWNER: 7}
            assert await sender.balances_raw([OWNER], "USDT") == {OWNER: 5}
            assert await sender.balances_raw([OWNER], "USDT", final=True) == {OWNER: 4}

    @pytest.mark.parametrize("answer", [reverted(), simulated(""), refused_simulation("Smart contract is not exist.")])
    async def test_an_error_is_no_balance(self, answer: Any) -> None:
        async with scripted_node({"wallet/triggerconstantcontract": answer}) as node, sender_at(node) as sender:
            with pytest.raises(NetworkError):
                await sender.balances_raw([OWNER], "USDT")

    async def test_a_transaction_is_looked_up_by_its_id(self, sender: TronSender) -> None:
        draft = planned(sender, TOKENS)
        signed = sender.sign(draft, KEY)
        raw_data = transactions.encode(transactions.decode(signed.raw))
        found = transaction(signed.txid, raw_data_hex=raw_data.hex(), signature=[signed.raw[-65:].hex()])
        changed = raw_data.replace((12_345_678).to_bytes(32), (12_345_679).to_bytes(32))
        async with scripted_node({"wallet/gettransactionbyid": found}) as node, sender_at(node) as other:
            on_chain = await other.look_up(signed.txid)
            assert on_chain is not None
            assert on_chain.signed == signed
            assert other.parse(signed.raw, on_chain.draft) == sender.parse(signed.raw, draft)
            for wrong in (
                {**found, "raw_data_hex": changed.hex()},
                {**found, "signature": []},
                {**found, "signature": [130 * "0"]},
                {**found, "raw_data_hex": ""},
            ):
                node.script["wallet/gettransactionbyid"] = wrong
                with pytest.raises(NotATransfer):
                    await other.look_up(signed.txid)
            node.script["wallet/gettransactionbyid"] = {}
            assert await other.look_up(signed.txid) is None
            assert await other.look_up("0x" + signed.txid) is None
