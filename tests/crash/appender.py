"""A process that appends and says on stdout what was acknowledged; run to be killed.

``python -m tests.crash.appender LEDGER APPENDS [ERASE]``: so many appends of three entries (0: until killed),
then the erasure of a position.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from troth.core.errors import TrothError
from troth.core.events import Event, Objection
from troth.ledger.store import Ledger


def main(path: str, appends: str, *erase: str) -> None:
    """Append and acknowledge."""
    say = sys.stdout.write
    try:
        with Ledger.write(Path(path)) as ledger:
            ledger.free_space_floor = 0
            say("open\n")
            sys.stdout.flush()
            rounds = range(int(appends)) if int(appends) else itertools.count()
            for _ in rounds:
                batch: list[Event] = [Objection("ann", 1), Objection("bob", 2), Objection("ann", 3)]
                receipts = ledger.append(batch)
                # Only what append returned is acknowledged.
                say("".join(f"ack {one.position} {one.commitment}\n" for one in receipts))
                sys.stdout.flush()
            for position in erase:
                say(f"erased {ledger.erase([int(position)])}\n")
                sys.stdout.flush()
        say("closed\n")
    except TrothError as error:
        say(f"{type(error).__name__} {error.message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
