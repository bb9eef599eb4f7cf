"""Keeps the ledger: what was promised, told and chosen, append-only and durable."""
