"""The learner edition, run as it is given out, stops at its first exercise and says what to do there."""

import re
from pathlib import Path

import nbformat
import pytest

from maas_lab import personas, runner

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "solutions").glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_learner_edition_stops_at_the_check_of_its_first_exercise(source, connected, tmp_path):
    first = re.search(r"\*\*(Exercise \d+\.\d+)\*\*", source.read_text(encoding="utf-8"))[1]
    [result] = runner.run([ROOT / "notebooks" / f"{source.stem}.ipynb"], tmp_path)
    # It stopped in the middle, and what it holds would be missing to others: places of lesson 01, a platform of 06.
    connected.challenge.stop()
    own = [f"namespace/{connected.cluster.own_namespace(f'maas-lab-{lesson}')}" for lesson in personas.LESSONS]
    connected.cluster.delete(own)

    assert result.failure, "it ran to its end, although its exercises are not done"
    told = "\n".join(result.failure.lines)
    assert result.failure.error == "NotDoneYet", told
    assert result.failure.exercise == first
    assert first in result.failure.lines[0]
    assert result.failure.hint

    cells = nbformat.read(result.output, as_version=4).cells
    [stopped] = [cell for cell in cells if any(o.output_type == "error" for o in cell.get("outputs", []))]
    assert "checks." in stopped.source
