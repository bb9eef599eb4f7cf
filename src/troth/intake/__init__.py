"""What comes in: files that people write, mail, tables."""
