"""A slow link, in a process of the router: what the router sends to its interface comes back later, in order.

`python -m tests.hosts.slow_link INTERFACE`. Many kernels of containers lack netem, and a proxy of single connections
would delay neither their beginning nor their end.
"""

import asyncio
import fcntl
import os
import random
import struct
import sys
from contextlib import suppress

DELAY_S = 0.2
"""Each way."""

STALLS = 0.05
STALL_S = 1.0
"""In one of twenty seconds nothing passes for a second."""

_PACKET_BYTES = 65_536
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # <linux/if_tun.h>


def interface(name: str) -> int:
    """Make the interface, which lasts as long as this process; its file gives and takes whole packets."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


async def pass_on(device: int) -> None:
    """Give each packet back when its time has come."""
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    def take() -> None:
        with suppress(BlockingIOError):
            held.put_nowait((loop.time() + DELAY_S, os.read(device, _PACKET_BYTES)))

    loop.add_reader(device, take)
    print("listening", flush=True)
    drawn_s = 0
    while True:
        due_s, packet = await held.get()
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        if (second_s := int(loop.time())) != drawn_s:
            drawn_s = second_s
            if random.random() < STALLS:
                await asyncio.sleep(STALL_S)
        with suppress(OSError):  # lost, as packets may be
            os.write(device, packet)


if __name__ == "__main__":
    asyncio.run(pass_on(interface(sys.argv[1])))
