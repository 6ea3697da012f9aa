"""Measure the lab: `python -m benchmarks [start|memory|gateway|lesson|install ...]` prints tables; nothing is asserted."""
