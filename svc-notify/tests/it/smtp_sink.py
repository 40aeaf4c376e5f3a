"""A mail server for tests: takes mails into a Maildir, turns some away.

Usage: smtp_sink.py PORT DIRECTORY. Prints "listening PORT" when it is there.
The first part of an address says what becomes of it: "rejected", "later" and
"slow".
"""

import asyncio
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP


class Handler(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("rejected"):
            return f"550 5.1.1 <{address}>: no such mailbox"
        if address.startswith("later"):
            return f"451 4.3.0 <{address}>: try again later"
        if address.startswith("slow"):
            await asyncio.sleep(3)
        envelope.rcpt_tos.append(address)
        return "250 OK"


async def main(port, directory):
    handler = Handler(directory)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True), "127.0.0.1", port)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
