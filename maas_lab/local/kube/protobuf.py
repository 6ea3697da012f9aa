"""Decode the protobuf bodies that kubectl's imperative commands send, such as `kubectl create secret`.

Only what those commands can say is known here; anything else is refused by name, never silently left out.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from typing import Any

from maas_lab.local.kube.default_values import POINTERS
from maas_lab.local.kube.protobuf_fields import FIELDS
from maas_lab.local.kube.status import ApiError, bad_request
from maas_lab.local.kube.texts import stamp

MAGIC = b"k8s\x00"
_KEPT = frozenset({"emptyDir", "securityContext"})  # messages that mean something although they are empty
_MASK = (1 << 64) - 1
_ZEROS = (0, b"")


def decode(body: bytes) -> dict[str, Any]:
    """Return the object in a body of type application/vnd.kubernetes.protobuf.

    Raises:
        ApiError: 400, it is none; 415, it is of a kind or has a field that is not known here.
    """
    if not body.startswith(MAGIC):
        raise bad_request("the body is no Kubernetes protobuf: it does not begin with k8s and a zero byte")
    try:
        envelope = _message(body[len(MAGIC) :], "Unknown")
        head = envelope.get("typeMeta", {})
        kind = head.get("kind", "")
        if kind not in FIELDS:
            raise _unknown(f"kind {kind}")
        found = _message(base64.b64decode(envelope.get("raw", "")), kind)
    except (IndexError, UnicodeDecodeError, OverflowError, OSError) as error:
        raise bad_request("the protobuf in the body is broken") from error
    return {"apiVersion": head.get("apiVersion", ""), "kind": kind, **found}


def _unknown(what: str) -> ApiError:
    hint = "add --dry-run=client -o yaml and pipe it into: kubectl apply -f -"
    return ApiError(415, "UnsupportedMediaType", f"protobuf with {what} is not read here; {hint}")


def _message(data: bytes, name: str) -> dict[str, Any]:
    """Decode one message of a type."""
    found: dict[str, Any] = {}
    known = FIELDS[name]
    for number, value in _entries(data):
        if number not in known:
            if value not in _ZEROS:
                raise _unknown(f"field {number} of {name}")
            continue
        field, form = known[number]
        if form.startswith("*"):
            found.setdefault(field, []).append(_value(value, form[1:], name))
        elif form.startswith("map "):
            pair = dict(_entries(value if isinstance(value, bytes) else b""))
            key = _value(pair.get(1, b""), "text", name)
            found.setdefault(field, {})[key] = _value(pair.get(2, b""), form[4:], name)
        else:
            found[field] = _value(value, form, name)
    return {field: value for field, value in found.items() if value or _is_told(field, value)}


def _is_told(field: str, value: Any) -> bool:
    """Tell whether an empty value was chosen: fields by value are always sent, even if nobody set them."""
    return field in _KEPT if isinstance(value, dict) else value is not None and field in POINTERS and value != ""


def _value(value: int | bytes, form: str, owner: str) -> Any:
    is_number = form in ("int", "bool")
    if is_number != isinstance(value, int):
        raise bad_request(f"the protobuf in the body is broken: a wrong type in {owner}")
    if form == "int":
        return value - (1 << 64) if value >> 63 else value
    if form == "bool":
        return bool(value)
    if form == "text":
        return value.decode()
    if form == "bytes":
        return base64.b64encode(value).decode()
    inner = _message(value, form)
    return _SPECIAL[form](inner) if form in _SPECIAL else inner


def _time(message: dict[str, Any]) -> str | None:
    if not message:
        return None
    return stamp(datetime.datetime.fromtimestamp(message.get("seconds", 0), datetime.UTC))


def _int_or_text(message: dict[str, Any]) -> int | str:
    return message.get("strVal", "") if message.get("type") else message.get("intVal", 0)


def _key_selector(message: dict[str, Any]) -> dict[str, Any]:
    return {**message.pop("localObjectReference", {}), **message}


_SPECIAL = {
    "Time": _time,
    "IntOrString": _int_or_text,
    "Quantity": lambda message: message.get("string", "0"),
    "KeySelector": _key_selector,
    "Reference": _key_selector,
}


def _entries(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers and raw values."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
        elif key & 7 == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError("a message ends early")
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise bad_request("the protobuf in the body is broken: an unexpected wire type")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & _MASK, at
        if shift > 63:
            raise IndexError("a number that never ends")
