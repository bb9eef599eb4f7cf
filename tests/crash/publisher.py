"""A process that appends and publishes, and says on stdout what was acknowledged and published; run to be killed.

``python -m tests.crash.publisher FOLDER APPENDS``: so many times three entries, published each time. FOLDER holds a
ledger and the state of a witness, which is asked in the same process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.unit.ledger.logs import cosigners, tilelog, witness
from troth.core.errors import TrothError
from troth.core.events import Event, Objection
from troth.ledger.store import Ledger

BATCH = 3


def main(folder: str, appends: str) -> None:
    """Append, acknowledge, publish."""
    say = sys.stdout.write
    try:
        with Ledger.write(Path(folder) / "l.sqlite3") as ledger, witness(Path(folder)) as one:
            ledger.free_space_floor = 0
            log = tilelog(Path(folder))
            say("open\n")
            sys.stdout.flush()
            for _ in range(int(appends)):
                log.check_writable(ledger.size)
                batch: list[Event] = [Objection("ann", 1), Objection("bob", 2), Objection("ann", 3)]
                receipts = ledger.append(batch)
                say("".join(f"ack {one.position} {one.commitment}\n" for one in receipts))
                sys.stdout.flush()
                published = log.publish(ledger, cosigners(one))
                say(f"published {published.checkpoint.size} {published.checkpoint.root.hex()}\n")
                sys.stdout.flush()
        say("closed\n")
    except TrothError as error:
        say(f"{type(error).__name__} {error.message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
