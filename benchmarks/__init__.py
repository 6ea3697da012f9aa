"""Measure the lab: `python -m benchmarks [NAME ...]` prints a table each; nothing is asserted."""
