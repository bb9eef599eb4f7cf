"""Benchmarks: what they measure, with the command that makes each figure. See ``python -m bench --help``."""
