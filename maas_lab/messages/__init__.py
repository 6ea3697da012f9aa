"""Every error that the lab can print, read off its source. `python -m maas_lab.messages` writes TROUBLESHOOTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from maas_lab.messages.source import Source, last_name, parameters
from maas_lab.messages.texts import HOLE, Asked, Given, Texts, bound

SCRIPT = Path(__file__).parents[2] / "lab"
_DEEP = 4  # through so many functions a text is followed to whoever gives it
EXERCISES = ("NotDoneYet", "NotQuite")
NEVER = (  # these have no limit of time, or are caught and told in other words
    "waited … s for Ctrl-C",
    "waited … s for another run",
    "waited … s for objects",
    "waited … s for places",
    "waited … s for the end of the looks",
    "waited … s for the end of the traffic",
    "waited … s for the portal to take another call",
)
_MOUTHS = ("checks/exercise.py", "wait.py")  # others speak through these
_PLACES = {  # where a call says what, why and what to do
    "LabError": ((0, "what"), (1, "why"), (2, "hint")),
    "Finding": ((0, "topic"), (2, "seen"), (3, "hint")),
}
_FAIL = re.compile(r'\bfail ((?:"[^"]*"[\s\\]*){3})')


@dataclass(frozen=True)
class Message:
    """What one error says.

    Attributes:
        module: whose source gives its words, e.g. `local/home.py`.
        kind: its class; of a finding, its topic.
        what: what happened, with `…` where a run fills something in.
        why: the causes that it may name.
        hint: what it may say to do.
    """

    module: str
    kind: str
    what: str
    why: tuple[str, ...]
    hint: tuple[str, ...]

    @property
    def has_words(self) -> bool:
        """Whether it says anything of its own."""
        return bool(re.search(r"\w\w", self.what))

    def says(self, text: str) -> bool:
        """Tell whether a printed text is this one."""
        return bool(re.fullmatch(".*".join(map(re.escape, self.what.split(HOLE))), text, re.S))


def errors(source: Source) -> list[Message]:
    """Return what the package's errors say, each text once per module and kind."""
    kinds = source.subclasses("LabError")
    calls = [node for named in source.calls.values() for node in named if source.module(node) != "errors.py"]
    found = (message for node in calls for message in _general(list(_said(source, node, kinds, {}))))
    return _merged(one for one in found if one.what not in NEVER)


def findings(source: Source) -> list[Message]:
    """Return what to do about what the doctors find; `what` is the topic, `why` what they saw."""
    found = (message for node in source.calls["Finding"] for message in _said(source, node, {"Finding"}, {}))
    return _merged(one for one in found if one.hint and one.what != HOLE)


def of_script(file: Path = SCRIPT) -> list[Message]:
    """Return what the shell script `lab` says when it gives up."""
    text = re.sub(r"\$\([^()]*\)|\$\{[^}]*\}|\$\w+", HOLE, file.read_text("utf-8"))
    said = (re.findall(r'"([^"]*)"', found[1]) for found in _FAIL.finditer(text))
    return [Message("lab", "", what, (why,), (hint,)) for what, why, hint in said]


def _said(
    source: Source, call: ast.Call, kinds: set[str], given: Given, way: tuple[ast.Call, ...] = ()
) -> Iterator[Message]:
    """Read what is said where an error is made, once for each way of calls that leads there."""
    try:
        kind = _kind(source, call.func, given)
        if kind in kinds:
            what, why, hint = (_part(source, call, *place, given) for place in _PLACES.get(kind, _PLACES["LabError"]))
            module = source.module(call)
            module = source.module(way[-1]) if way and module in _MOUTHS else module
            yield from (Message(module, kind, text, tuple(why), tuple(hint)) for text in what)
    except Asked as asked:
        callers = source.callers(asked.function) if len(way) < _DEEP else []
        unknown = [None] if not callers or source.is_passed_on(asked.function) else []
        for one in [*callers, *unknown]:
            longer = (*way, one) if one else way
            yield from _said(source, call, kinds, bound(asked.function, one, given), longer)


def _kind(source: Source, node: ast.expr, given: Given) -> str:
    """Return the class that is called; a parameter's where the class is one."""
    for scope in source.functions(node) if isinstance(node, ast.Name) else ():
        if parameters(scope).get(node.id, "").startswith("type["):
            if (scope, node.id) not in given:
                raise Asked(scope)
            return _kind(source, given[scope, node.id] or ast.Constant(""), given)
    return last_name(node)


def _part(source: Source, call: ast.Call, place: int, name: str, given: Given) -> list[str]:
    node = next((one.value for one in call.keywords if one.arg == name), None)
    node = call.args[place] if node is None and place < len(call.args) else node
    return [] if node is None else [text for text in Texts(source, given).of(node) if text]


def _general(messages: list[Message]) -> list[Message]:
    """Leave out what one place says where another of its texts has a hole for it; checks all speak in one place."""
    found = []
    for one in messages:
        wider = [other.what for other in messages if other.what != one.what and other.says(one.what)]
        if wider and one.kind not in EXERCISES:
            one = replace(one, what=min(wider, key=len))
        found.append(one)
    return found


def _merged(found: Iterable[Message]) -> list[Message]:
    """Return each text once, with all causes and hints that go with it."""
    together: dict[tuple[str, str, str], list[Message]] = {}
    for one in found:
        together.setdefault((one.module, one.kind, one.what), []).append(one)
    return [
        Message(*key, _once(w for one in same for w in one.why), _once(h for one in same for h in one.hint))
        for key, same in together.items()
    ]


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
