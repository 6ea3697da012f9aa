"""Objects and patches that nobody would write: each is stored or refused, nothing breaks and nothing is lost."""

import contextlib
import copy
import json
import random
from pathlib import Path

import pytest

from maas_lab.jsonpatch import same
from maas_lab.local.kube import apply, kinds, patch, validation
from maas_lab.local.kube.status import ApiError, invalid

CHAINS = json.loads((Path(__file__).parent / "captures/kubernetes/chains.json").read_text(encoding="utf-8"))
NOW = "2026-01-01T00:00:00Z"
ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    2**40,
    "",
    "x",
    "\u00e9",
    "1Gi",
    [],
    {},
    [None],
    [[1]],
    [{}],
    {"name": "x"},
    {"a": None},
    "\x00",
]
DIRECTIVES = ["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers"]
FIRST = {name: steps[0]["request"] for name, steps in CHAINS.items()}


def places(value, path=()):
    """Return where the values of a document are."""
    yield path
    for name, one in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(one, (*path, name))


def mutated(chance, obj):
    """Return a document with a few values replaced, removed or added."""
    found = copy.deepcopy(obj)
    for _ in range(chance.randrange(1, 4)):
        path = chance.choice([path for path in places(found) if path] or [("spec",)])
        here = found
        for part in path[:-1]:
            here = here[part]
        if isinstance(here, dict) and chance.random() < 0.2:
            here[chance.choice([*DIRECTIVES, "new", "status", "metadata", ""])] = copy.deepcopy(chance.choice(ODD))
        elif isinstance(here, dict) and chance.random() < 0.2:
            here.pop(path[-1], None)
        else:
            here[path[-1]] = copy.deepcopy(chance.choice(ODD))
    return found


def stored(schemas, kind, before, obj):
    """Return an object as the server stores it."""
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        raise invalid(kind, "", [])
    complete = schemas.default(kind, schemas.decode(kind, obj)[0])
    if causes := validation.problems(kind, complete, before, schemas):
        raise invalid(kind, "", causes)
    return apply.track(schemas, kind, before, complete, "fuzz", "Update", "", NOW)


@pytest.mark.parametrize("name", FIRST)
def test_odd_objects_are_stored_or_refused(schemas, name):
    chance, kind = random.Random(name), kinds.find(*name.split("/")[:3])
    good = stored(schemas, kind, None, FIRST[name])
    for _ in range(60):
        with contextlib.suppress(ApiError):
            found = stored(schemas, kind, good, mutated(chance, FIRST[name]))
            assert stored(schemas, kind, found, found) == found  # what is read can be written back
            json.dumps(found)


@pytest.mark.parametrize("name", FIRST)
def test_odd_patches_are_applied_or_refused(schemas, name):
    chance, kind = random.Random(name), kinds.find(*name.split("/")[:3])
    good = stored(schemas, kind, None, FIRST[name])
    before = copy.deepcopy(good)
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    for _ in range(40):
        change = mutated(chance, FIRST[name])
        for how in (patch.merge_patch, lambda obj, one: patch.strategic_merge(schemas, kind, obj, one)):
            with contextlib.suppress(ApiError):
                stored(schemas, kind, good, how(good, change))
        if isinstance(change.get("metadata"), dict):
            with contextlib.suppress(ApiError):
                found = apply.server_side_apply(schemas, kind, good, {**change, **head}, "other", True, "", NOW)
                stored(schemas, kind, good, found)
        assert good == before


@pytest.mark.parametrize("name", FIRST)
def test_what_is_sent_is_what_is_stored(schemas, name):
    """Every value of a good object is there afterwards; only quantities are written anew."""
    kind = kinds.find(*name.split("/")[:3])
    found = stored(schemas, kind, None, FIRST[name])

    def check(sent, kept, path):
        if isinstance(sent, dict):
            for key, one in sent.items():
                if key != "stringData" and one is not None:
                    check(one, kept[key], f"{path}.{key}")
        elif isinstance(sent, list):
            assert len(sent) == len(kept), path
            for index, one in enumerate(sent):
                check(one, kept[index], f"{path}[{index}]")
        elif not (".resources." in path and isinstance(kept, str)):
            assert same(sent, kept), path

    check({key: one for key, one in FIRST[name].items() if key != "status"}, found, "")
