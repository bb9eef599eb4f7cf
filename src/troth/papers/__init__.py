"""Papers: what members, regulators and courts can read, counted from the ledger and never typed in."""
