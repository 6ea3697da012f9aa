"""JUnit's XML, as Jenkins, GitLab and GitHub's reporters read it; whoever tests something writes it through here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
# What XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets), not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One thing that was tested.

    Attributes:
        name: of it, e.g. `Exercise 3.2`.
        outcome: `passed`, `failure` (the answer is not right), `error` (something broke) or `skipped`.
        seconds: that it took; None where nobody has measured.
        kind: the class of the error.
        message: one line: what went wrong, or why it was skipped.
        text: all lines of it.
    """

    name: str
    outcome: str = PASSED
    seconds: float | None = None
    kind: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True)
class Suite:
    """Cases that belong together.

    Attributes:
        name: of a lesson, or of a learner.
        cases: in their order.
        seconds: of all; the sum of its cases when left out.
        began: when, with a time zone; left out where nobody knows.
    """

    name: str
    cases: Sequence[Case]
    seconds: float | None = None
    began: datetime | None = None

    @property
    def time(self) -> float:
        """Seconds of the whole suite."""
        return sum(one.seconds or 0.0 for one in self.cases) if self.seconds is None else self.seconds


def junit(name: str, suites: Sequence[Suite]) -> bytes:
    """Return suites as a file of JUnit's XML, in UTF-8; characters that XML cannot hold are replaced.

    Args:
        name: of the whole.
        suites: in their order.
    """
    every = [case for suite in suites for case in suite.cases]
    root = ElementTree.Element("testsuites", {"name": _text(name), **_counts(every, sum(one.time for one in suites))})
    for suite in suites:
        told = {"name": _text(suite.name), **_counts(suite.cases, suite.time)}
        told |= {"timestamp": suite.began.isoformat(timespec="seconds")} if suite.began else {}
        element = ElementTree.SubElement(root, "testsuite", told)
        for case in suite.cases:
            _case(element, suite.name, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n"


def _case(suite: ElementTree.Element, name: str, case: Case) -> None:
    told = {"classname": _text(name), "name": _text(case.name)}
    told |= {} if case.seconds is None else {"time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", told)
    if case.outcome == PASSED:
        return
    about = {"message": _text(case.message)} | ({"type": _text(case.kind)} if case.kind else {})
    ElementTree.SubElement(element, case.outcome, about).text = _text(case.text) or None


def _counts(cases: Sequence[Case], seconds: float) -> dict[str, str]:
    names = {"failures": FAILURE, "errors": ERROR, "skipped": SKIPPED}
    counted = {name: str(sum(case.outcome == outcome for case in cases)) for name, outcome in names.items()}
    return {"tests": str(len(cases)), **counted, "time": f"{seconds:.3f}"}


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
