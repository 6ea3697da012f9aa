"""The completion record: which exercises were passed, when, where, and with how many hints; to show and to keep."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from maas_lab import course, outfile, passes, signing
from maas_lab.errors import UsageError
from maas_lab.tables import Table

FORMAT = "maas-lab record 1"
_CHECK = re.compile(r"Check exercise (\d+\.\d+): (.+?)\.?")
_LARGEST = 1_000_000  # bytes of a record that is read


@dataclass(frozen=True)
class Line:
    """An exercise of the course, and whether it was passed.

    Attributes:
        exercise: its number, e.g. `3.2`.
        about: what its check looks at.
        passed: when, in UTC to the minute; `not yet` where it was not.
        hints: that were shown before, e.g. `1 of 3`.
        where: the lab on which it was passed.
    """

    exercise: str
    about: str
    passed: str = "not yet"
    hints: str = ""
    where: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether the exercise was passed."""
        return self.passed != "not yet"


@dataclass(frozen=True)
class Record:
    """What somebody has done of the course; shown as a table, saved as a page or as a signed file.

    Attributes:
        name: of the learner, as they gave it.
        made: when this record was made, in UTC to the minute.
        lines: one per exercise of the course, in its order.
        hints: that were shown for the exercises that were passed.
    """

    name: str
    made: str
    lines: tuple[Line, ...] = field(repr=False)
    hints: int

    @property
    def passed(self) -> list[str]:
        """The numbers of the exercises that were passed."""
        return [line.exercise for line in self.lines if line.is_passed]

    @property
    def missing(self) -> list[str]:
        """The numbers of the exercises that were not."""
        return [line.exercise for line in self.lines if not line.is_passed]

    @property
    def summary(self) -> str:
        """One sentence."""
        whose = f" by {self.name}" if self.name else ""
        hints = "1 hint" if self.hints == 1 else f"{self.hints} hints"
        return f"{len(self.passed)} of {len(self.lines)} exercises passed{whose}, with {hints}"

    def save(self, path: str | Path = "record.html") -> Path:
        """Write the record and return the file: a page to print, or a signed file that `record.verify` reads.

        Args:
            path: ends in `.html` or `.json`; a file that is there already is replaced, whole.

        Raises:
            UsageError: it ends in something else, or cannot be written.
            UsageError: the lab's key is damaged.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".html":
            from maas_lab import record_page  # its tables come with pandas

            return outfile.write(path, record_page.page_of(self).encode())
        if suffix != ".json":
            hint = 'lab.record().save("record.html"), or "record.json" for the signed file'
            raise UsageError(f"{path} is neither a page nor a signed file", "its name says which it is to be", hint)
        with course.turn():
            signed = signing.sign({"format": FORMAT, **asdict(self)})
        return outfile.write(path, (json.dumps(signed, indent=1) + "\n").encode())

    def __repr__(self) -> str:
        return f"{self.summary}\n{Table(Line, self.lines)!r}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.summary)}</p>{Table(Line, self.lines)._repr_html_()}"


def exercises() -> dict[str, str]:
    """Return all exercises of the course by number: what each check looks at, in the words of the check itself."""
    return {number: about for number, _, about in _found()}


def checks_by_exercise() -> dict[str, str]:
    """Return the name of the check of each exercise, by the exercise's number."""
    return {number: name for number, name, _ in _found()}


def _found() -> list[tuple[str, str, str]]:
    """Return number, check and what it looks at, of all exercises: the first line of a check's docstring says it."""
    from maas_lab import checks

    told = [(name, (inspect.getdoc(getattr(checks, name)) or "").split("\n")[0]) for name in checks.__all__]
    found = [(match[1], name, match[2].replace("`", "")) for name, text in told if (match := _CHECK.fullmatch(text))]
    return sorted(found, key=lambda one: [int(part) for part in one[0].split(".")])


def today(name: str = "") -> Record:
    """Return the record as it is now.

    Raises:
        UsageError: the name is no text.
        UsageError: the lab's file of passed exercises was changed by hand, or is damaged.
    """
    if not isinstance(name, str):
        raise UsageError(f"`name` is a {type(name).__name__}, not text", hint='lab.record("Ada Lovelace")')
    passed, shown = passes.read()
    lines = tuple(
        _line(number, about, passed.get(number), shown.get(number, 0)) for number, about in exercises().items()
    )
    hints = sum(passed[line.exercise]["hints"] for line in lines if line.is_passed)
    return Record(_one_line(name), _minute(datetime.now(UTC)), lines, hints)


def verify(path: str | Path) -> Record:
    """Read a signed record, and return it if it is as this lab wrote it.

    That is all it shows: the file was not changed since. It does not show who did the exercises, nor that no solution
    was run: whoever works in this lab's home can sign anything.

    Raises:
        UsageError: there is no such file, or it is no record.
        UsageError: it was changed, or another lab has signed it.
    """
    content = _read(Path(path).expanduser())
    signing.check(content, str(path))
    try:
        lines = tuple(Line(**{one.name: line[one.name] for one in fields(Line)}) for line in content["lines"])
        return Record(content["name"], content["made"], lines, content["hints"])
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{path} lacks something", repr(error), "another version of the lab has written it: verify it with that one"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    hint = 'give what lab.record().save("record.json") has written'
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
    except OSError as error:
        raise UsageError(f"{path} cannot be read", error.strerror or "", hint) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a signed record", str(error)[:200], hint) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{path} is not a signed record", f"it does not say that it is a “{FORMAT}”", hint)
    return content


def _line(number: str, about: str, passed: dict[str, Any] | None, shown: int) -> Line:
    if passed is None:
        return Line(number, about, hints=f"{shown} so far" if shown else "")
    when = _minute(datetime.fromisoformat(passed["at"]))
    return Line(number, about, when, f"{passed['hints']} of {passed['of']}", passed["where"])


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _one_line(name: str) -> str:
    """Return a name in one line, without what is not seen or turns the direction of reading."""
    line = " ".join(name.split())[:100]
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)
