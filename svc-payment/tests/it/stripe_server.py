"""A Stripe for a test: localstripe on a free port of the loopback, which it
prints, keeping nothing on disk. What it leaves out of Stripe's own and Souk asks
for is added."""

import asyncio
import sys

from aiohttp import web
from localstripe import resources, server


def amount_received(intent):
    """Stripe's amount_received: what was taken of an intent."""
    return intent.amount if intent.status == "succeeded" else 0


async def main():
    runner = web.AppRunner(server.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]))
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"listening {port}", flush=True)
    await asyncio.Event().wait()


resources.PaymentIntent.amount_received = property(amount_received)
resources.store.dump_to_disk = lambda: None
asyncio.run(main())
