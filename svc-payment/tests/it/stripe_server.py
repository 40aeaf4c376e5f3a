"""A Stripe for a test: localstripe on a free port of the loopback, which it
prints, keeping nothing on disk. Its intents are made at a given time, and what it
leaves out of Stripe's own and Souk asks for is added."""

import asyncio
import operator
import sys

from aiohttp import web
from localstripe import resources, server

BOUNDS = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def amount_received(intent):
    """Stripe's amount_received: what was taken of an intent."""
    return intent.amount if intent.status == "succeeded" else 0


def make_intent(intent, *args, **kwargs):
    """Makes an intent, at the given time."""
    as_it_is(intent, *args, **kwargs)
    intent.created = int(sys.argv[2])


def list_intents(cls, url, created=None, **kwargs):
    """Lists intents, perhaps of a span of time only."""
    listed = super(resources.PaymentIntent, cls)._api_list_all(url, **kwargs)
    for name, time in (created or {}).items():
        listed._list = [
            one for one in listed._list if BOUNDS[name](one.created, int(time))
        ]
    return listed


async def main():
    runner = web.AppRunner(server.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]))
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"listening {port}", flush=True)
    await asyncio.Event().wait()


as_it_is = resources.PaymentIntent.__init__
resources.PaymentIntent.__init__ = make_intent
resources.PaymentIntent.amount_received = property(amount_received)
resources.PaymentIntent._api_list_all = classmethod(list_intents)
resources.store.dump_to_disk = lambda: None
asyncio.run(main())
