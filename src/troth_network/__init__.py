"""The reference network: Northlight, a small professional network that does not exist.

It re-enacts a real affair: its promises, notices and choices follow the public record of a network that
began to train generative models on what its members wrote, in our own words and with invented names. It is
built on Troth's public API alone: the demo's stage, the tests' simulator, the benchmarks' generator.
"""

from troth_network.network import Network, build
from troth_network.story import Step, Story

__all__ = ["Network", "Step", "Story", "build"]
