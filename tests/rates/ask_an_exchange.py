"""Ask an exchange for prices as the process that refreshes rates does, and print what it says.

`python -m tests.rates.ask_an_exchange EXCHANGE URL ROUNDS BASE/QUOTE…`, in the environment of those who install the
extra: requirements-exchanges.lock has other versions than the tests. Without a URL ("") it is the exchange's own.
"""

import asyncio
import json
import sys

from app.core import clock
from app.rates.sources.exchanges import Exchange, NotInstalled
from app.rates.sources.port import Pair, Quoted, SourceFailed


async def allowed() -> bool:
    return True


async def ask(exchange_id: str, url: str, rounds: int, names: list[str]) -> dict[str, object]:
    """Its figures and their times by pair, or the error."""
    exchange = Exchange(exchange_id, allowed, url or None)
    pairs = [Pair(*name.split("/")) for name in names]
    quoted: dict[Pair, Quoted] = {}
    try:
        for _ in range(rounds):
            answer = await exchange.figures(pairs, clock.now())
            quoted |= {one.pair: one for one in answer.quoted}
    except NotInstalled as error:
        return {"not_installed": str(error)}
    except SourceFailed as error:
        return {"failed": str(error)}
    finally:
        await exchange.aclose()
    return {f"{pair.base}/{pair.quote}": [str(one.figure), one.at.isoformat()] for pair, one in quoted.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))))
