"""JSON Schemas of the files that people write, for editors; the readers in ``troth.core`` are the authority."""
