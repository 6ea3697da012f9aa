"""Check names, labels and other formats, in the words of the API server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from maas_lab.local.kube.status import Cause

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME_PART})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"


def invalid(field: str, value: Any, why: str) -> Cause:
    """Say that a value is wrong."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    """Say that a value is missing."""
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def duplicate(field: str, value: Any) -> Cause:
    """Say that a value comes twice."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def forbidden(field: str, why: str) -> Cause:
    """Say that a value may not be set or changed."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def not_found(field: str, value: Any) -> Cause:
    """Say that what a value names is not there."""
    return Cause(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def too_long(field: str, most: int) -> Cause:
    """Say that something has too many bytes."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {most} bytes")


def unsupported(field: str, value: Any, choices: Iterable[str]) -> Cause:
    """Say that a value is none of the choices."""
    told = ", ".join(f'"{one}"' for one in choices)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {told}")


def shown(value: Any) -> str:
    """Write a value as errors show it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _format(text: str, pattern: str, most: int, words: str, examples: tuple[str, ...]) -> list[str]:
    problems = [] if len(text.encode()) <= most else [f"must be no more than {most} bytes"]
    if not re.fullmatch(pattern, text):
        shown_examples = " or ".join(f"'{one}', " for one in examples).removesuffix(", ")
        problems.append(f"{words} (e.g. {shown_examples}, regex used for validation is '{pattern}')")
    return problems


def label(text: str) -> list[str]:
    """Return what is wrong with an RFC 1123 label."""
    words = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    return _format(
        text, _LABEL, 63, words + "and must start and end with an alphanumeric character", ("my-name", "123-abc")
    )


def label_1035(text: str) -> list[str]:
    """Return what is wrong with an RFC 1035 label."""
    words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    words += "start with an alphabetic character, and end with an alphanumeric character"
    return _format(text, _LABEL_1035, 63, words, ("my-name", "abc-123"))


def subdomain(text: str) -> list[str]:
    """Return what is wrong with an RFC 1123 subdomain."""
    words = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    words += "and must start and end with an alphanumeric character"
    return _format(text, _SUBDOMAIN, 253, words, ("example.com",))


def qualified_name(text: str) -> list[str]:
    """Return what is wrong with a label or annotation key."""
    prefix, slash, name = text.rpartition("/")
    if slash and "/" in prefix:
        prefix, name = "", text
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix:
        problems += [f"prefix part {why}" for why in subdomain(prefix)]
    if not name:
        return [*problems, "name part must be non-empty"]
    words = "name part must consist of alphanumeric characters, '-', '_' or '.', "
    words += "and must start and end with an alphanumeric character"
    long = [] if len(name.encode()) <= 63 else ["name part must be no more than 63 bytes"]
    return [*problems, *long, *_format(name, _NAME_PART, 1 << 20, words, ("MyName", "my.name", "123-abc"))]


def label_value(text: str) -> list[str]:
    """Return what is wrong with a label's value."""
    words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    words += "and must start and end with an alphanumeric character"
    return _format(text, _LABEL_VALUE, 63, words, ("MyValue", "my_value", "12345"))


def config_key(text: str) -> list[str]:
    """Return what is wrong with a key of a ConfigMap or Secret."""
    words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    problems = _format(text, _CONFIG_KEY, 253, words, ("key.name", "KEY_NAME", "key-name"))
    if text in (".", ".."):
        problems.append(f"must not be '{text}'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def environment_name(text: str) -> list[str]:
    """Return what is wrong with a variable's name."""
    if re.fullmatch(r"[ -<>-~]+", text):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def local_path(text: str) -> list[str]:
    """Return what is wrong with a path below a volume: it must not lead out of it."""
    problems = ["must be a relative path"] if text.startswith("/") else []
    return [*problems, *(["must not contain '..'"] if ".." in text.split("/") else [])]


def port_number(value: Any) -> list[str]:
    """Return what is wrong with a port."""
    return [] if isinstance(value, int) and 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(text: str) -> list[str]:
    """Return what is wrong with a port's name."""
    problems = [] if len(text) <= 15 else ["must be no more than 15 characters"]
    if not re.fullmatch("[-a-z0-9]*", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")  # codespell:ignore
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def all_invalid(field: str, value: Any, problems: Iterable[str]) -> list[Cause]:
    """Say everything that is wrong with a value."""
    return [invalid(field, value, why) for why in problems]


def labels(values: dict[str, str] | None, field: str) -> list[Cause]:
    """Check labels."""
    found = []
    for name, value in sorted((values or {}).items()):
        found += all_invalid(field, name, qualified_name(name))
        found += all_invalid(field, value, label_value(value))
    return found


def one_of(field: str, value: Any, choices: tuple[str, ...]) -> list[Cause]:
    """Check that a value, if any, is one of the choices."""
    return [] if value is None or value in choices else [unsupported(field, value, choices)]


def at_least_zero(field: str, value: Any) -> list[Cause]:
    """Check that a number, if any, is not negative."""
    return [] if value is None or value >= 0 else [invalid(field, value, "must be greater than or equal to 0")]
