"""Looking at, and tampering with, a ledger in PostgreSQL past the store."""

from __future__ import annotations

import re
from typing import Any

import psycopg


def peek(address: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, read past the store."""
    with psycopg.connect(address) as connection:
        return connection.execute(_translated(query)).fetchall()


def tamper(address: str, *statements: str) -> None:
    """Change the tables as somebody would who has no business there."""
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(_translated(statement))


def _translated(statement: str) -> bytes:
    """SQLite's literals for bytes, and its text made of bytes, as PostgreSQL writes them."""
    statement = re.sub(
        r"CAST\(replace\(body, ('[^']*'), ('[^']*')\) AS BLOB\)",
        r"convert_to(replace(convert_from(body, 'UTF8'), \1, \2), 'UTF8')",
        statement,
    )
    statement = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)
    statement = re.sub(r"CAST\(('[^']*') AS BLOB\)", r"convert_to(\1, 'UTF8')", statement)
    return re.sub(r"\b[xX]'([0-9a-fA-F]*)'", r"'\\x\1'::bytea", statement).encode()


WRITER = """
import sys
from troth.core.events import Objection
from troth.ledger.postgres import PostgresLedger
for at in range(15):
    with PostgresLedger.write(sys.argv[1]) as ledger:
        ledger.append([Objection("ann", at), Objection(sys.argv[2], at)])
"""
