"""The HTTP face: parse, call one operation of ``app``, render. No decisions."""
