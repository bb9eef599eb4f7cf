"""The words of Troth and their meaning.

Bytes and values in, values out: no I/O, no clock, no randomness, no engine.
"""
