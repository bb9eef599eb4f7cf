"""Exports in the forms of platforms, made up by the tests: no line of them was written by anybody."""
