"""Computes verdicts at scale: windows per cohort (the small side) and one pass over the records (the large side)."""
