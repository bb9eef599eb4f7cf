"""Sealed releases: made, checked, loaded."""
