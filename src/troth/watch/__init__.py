"""Follow published documents: read what they say, compare versions, find the tricks, propose clauses."""
