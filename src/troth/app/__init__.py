"""The one place that wires configuration to parts: a home and what can be done with it."""
