"""What lies where in a release's folder, and the note for people that lies in it."""

from __future__ import annotations

from typing import Final

MANIFEST: Final = "manifest.dsse.json"
LEAVES: Final = "leaves.bin"
MEMBERS: Final = "members.parquet"
KEY: Final = "keys/operator.pub"
NOTE: Final = "README.txt"

NOTE_TEXT: Final = """\
This folder is a sealed release of training data, made by Troth.

Release:    {release}
Use:        {purpose} by {recipient}; no other use is allowed
Asked for:  {at}, honouring the first {settings_as_of} entries of the operator's ledger
Rows:       {rows}

data/                 the rows, as Parquet. Private: written by and about people
members.parquet       if it is there: for each member what it takes to make the set of members anew. Private too
leaves.bin            one hash for each row, sorted; the manifest names the root of the tree over them
manifest.dsse.json    what was asked, counted and sealed, signed by the operator
keys/operator.pub     the operator's public key. Make sure from elsewhere that it is theirs: whoever
                      changes this folder can put another key here and sign again

Check it, offline:    troth verify .     (with --key FILE for a key that you had from elsewhere)
Load it in Python:    troth.load("."), which refuses the folder if anything in it was altered

The column row_salt keeps a row's hash from being guessed from its text. Members whose messages are here may
withdraw; the operator then says what to do.
"""
