"""The summary of a run of lessons: a page to read and print, JSON for programs, and JUnit for CI.

Everything is written whole or not at all, after each lesson, so that a run that was stopped tells what is known so far.
"""

from __future__ import annotations

from maas_lab.results.junit import Case, Suite, junit
from maas_lab.results.recorder import Recorder

__all__ = ["Case", "Recorder", "Suite", "junit"]
