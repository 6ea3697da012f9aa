"""Read request bodies: JSON, YAML and protobuf, as untrusted as anything that comes over a network."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any

import yaml

from maas_lab.local.kube.kinds import Kind
from maas_lab.local.kube.status import ApiError, bad_request, too_large

LIMIT = 3 * 1024 * 1024  # bytes, as a real server's
NODES = 500_000  # values in one YAML document after its aliases are followed
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
PATCHES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


class Duplicated(dict):
    """A JSON object that named some of its members twice; the last one counts."""

    twice: tuple[str, ...] = ()


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: `y` is true, and a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}
for _word in "yYnN":
    _Loader.yaml_implicit_resolvers.setdefault(_word, []).insert(0, ("tag:yaml.org,2002:bool", re.compile("^[yYnN]$")))


def media_type(header: str) -> str:
    """Return a Content-Type without its parameters."""
    return header.split(";", 1)[0].strip().lower()


def parse_json(body: bytes) -> Any:
    """Parse JSON strictly.

    Raises:
        ValueError: it is none, in the words of Go's parser.
    """
    if not body.strip():
        raise ValueError("unexpected end of JSON input")
    try:
        parsed = json.loads(body, object_pairs_hook=_pairs, parse_constant=_refuse, parse_float=_finite)
        json.dumps(parsed, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(_in_go(error)) from error
    except UnicodeError as error:
        raise ValueError("invalid UTF-8 in the body") from error
    except RecursionError as error:
        raise ValueError("exceeded max depth") from error
    return parsed


def parse_yaml(body: bytes) -> Any:
    """Parse one YAML document into what JSON can say; most clients send JSON, which is read much faster as such.

    Raises:
        ValueError: it is none.
    """
    if body.lstrip().startswith(b"{"):
        with contextlib.suppress(ValueError):
            return parse_json(body)
    try:
        parsed = _plain(yaml.load(body.decode(), _Loader), [NODES])
        json.dumps(parsed, ensure_ascii=False).encode()
    except yaml.YAMLError as error:
        raise ValueError(f"yaml: {' '.join(str(error).split())}") from error
    except UnicodeError as error:
        raise ValueError("yaml: invalid UTF-8") from error
    except (RecursionError, TypeError) as error:
        raise ValueError("yaml: too deep, or a key that is no text") from error
    return parsed


def check_size(body: bytes) -> None:
    """Refuse a body over the limit.

    Raises:
        ApiError: 413.
    """
    if len(body) > LIMIT:
        raise too_large(f"Request entity too large: limit is {LIMIT}")


def unrecognized(kind: Kind, why: str, body: bytes) -> ApiError:
    """Say that a body is no object."""
    shown = body.decode(errors="replace")[:200] if body else "<empty>"
    shown = body[:100].hex() if shown.startswith("[") else shown
    prefix = f"the object provided is unrecognized (must be of type {kind.kind})"
    return bad_request(f"{prefix}: couldn't get version/kind; json parse error: {why} ({shown})")


def check_type(kind: Kind, obj: dict[str, Any]) -> None:
    """Insist that an object is of the kind of its path.

    Raises:
        ApiError: 400, it says that it is something else.
    """
    for part in ("apiVersion", "kind"):
        if not isinstance(obj.get(part), str | None):
            why = f"cannot unmarshal {_in_gos_words(obj[part])} into Go struct field .{part} of type string"
            raise bad_request(f"couldn't get version/kind; json parse error: json: {why}")
    version, name = obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind
    if version == kind.api_version and name == kind.kind:
        return
    short = version.rsplit("/", 1)[-1]
    if name != kind.kind:
        group = kind.group.split(".", 1)[0] or "core"
        why = f"converting ({short}.{name}) to ({group}.{kind.kind}): unknown conversion"
    else:
        why = f'no kind "{name}" is registered for version "{version}"; here it is {kind.api_version}'
    raise bad_request(f'{name} in version "{short}" cannot be handled as a {kind.kind}: {why}')


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    found = Duplicated(members)
    found.twice = tuple(name for name in members if names.count(name) > 1)
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"invalid character '{word[0]}' looking for beginning of value")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"cannot unmarshal number {text} into Go value of type float64")
    return number


def _in_go(error: json.JSONDecodeError) -> str:
    """Translate an error of Python's parser into the words of Go's."""
    if error.pos >= len(error.doc.rstrip()):
        return "unexpected end of JSON input"
    found = error.doc[error.pos]
    if error.msg.startswith("Expecting property name"):
        return f"invalid character '{found}' looking for beginning of object key string"
    if error.msg.startswith("Expecting value"):
        return f"invalid character '{found}' looking for beginning of value"
    if error.msg == "Extra data":
        return f"invalid character '{found}' after top-level value"
    return f"invalid character '{found}': {error.msg} (line {error.lineno}, column {error.colno})"


def _plain(value: Any, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("yaml: document contains excessive aliasing")
    if isinstance(value, dict):
        return {_key(name): _plain(member, left) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member, left) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"yaml: {value} is no number in JSON")
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"yaml: a {type(value).__name__} is nothing that JSON can say")


def _key(name: Any) -> str:
    if isinstance(name, bool):
        return str(name).lower()
    if isinstance(name, str | int | float):
        return str(name)
    raise ValueError("yaml: a key that is no text")


def refused_patch(kind: Kind, content_type: str) -> ApiError:
    """Say which patches a kind takes."""
    offered = [one for one in PATCHES if not (kind.custom and PATCHES[one] == "strategic")]
    told = f"the body of the request was in an unknown format - accepted media types include: {', '.join(offered)}"
    if content_type not in PATCHES:
        told = "415: Unsupported Media Type"
        return ApiError(415, "UnsupportedMediaType", told, {})
    return ApiError(415, "UnsupportedMediaType", told)


def no_object(parsed: object) -> str:
    """Say in Go's words that a body is no object."""
    found = _in_gos_words(parsed)
    target = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
    return f"json: cannot unmarshal {found} into Go value of type {target}"


def _in_gos_words(value: object) -> str:
    return {list: "array", dict: "object", str: "string", bool: "bool", type(None): "null"}.get(type(value), "number")
