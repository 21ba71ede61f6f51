"""The form of cabinet and desk that asks where a transaction is."""

from collections.abc import Mapping

import msgspec

from app.lookups import wording
from app.lookups.asking import MOST_CHARACTERS, txid_in
from app.lookups.facts import Viewer
from app.lookups.service import LookupService
from app.lookups.wording import Shown
from app.networks.registry import Networks, UnknownNetwork

MOST_ID_CHARACTERS = 20


class Given(msgspec.Struct, frozen=True):
    """What was asked: the text that was pasted, the key of a network (empty: any), and the invoice that it should have
    paid (empty: none is named)."""

    text: str
    network: str
    invoice_id: str


def given(query: Mapping[str, str]) -> Given:
    """The fields of a query. What is too long is cut."""

    def field(name: str, most: int) -> str:
        return query.get(name, "").replace("\0", "").strip()[:most]

    return Given(field("txid", MOST_CHARACTERS), field("network", 60), field("invoice", MOST_ID_CHARACTERS))


def choices(networks: Networks, mode: str | None) -> list[tuple[str, str]]:
    """Value and label of each network of a mode (None: of both), for a select."""
    own = [(network.key, network.title) for network in networks if mode in (None, network.mode)]
    return [("", "Any network"), *own]


async def answer(
    lookups: LookupService, networks: Networks, given: Given, mode: str | None, viewer: Viewer
) -> tuple[Shown | None, str]:
    """The answer for a page, or what is wrong with the field. Not inside a transaction."""
    if not given.network:
        told = await lookups.find_anywhere(given.text, mode, viewer)
        if told is None:
            return None, "This is not the id of a transaction."
        txid, finding = told
        return wording.shown(finding, txid, networks), ""
    try:
        network = networks.get(given.network)
        if mode not in (None, network.mode):
            raise UnknownNetwork(given.network)
        txid = txid_in(given.text, network)
    except UnknownNetwork:
        return None, "There is no such network."
    except ValueError:
        return None, f"This is not the id of a transaction on {network.title}."
    return wording.shown(await lookups.find(network, txid, viewer), txid, networks), ""
