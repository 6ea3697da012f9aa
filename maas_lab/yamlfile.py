"""Read YAML as Kubernetes reads it, and name file and line when it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maas_lab.errors import ManifestError


@dataclass(frozen=True)
class Document:
    """One YAML document of a file.

    Attributes:
        body: the document as plain values.
        line: where it begins, counted from 1.
        lines: where each of its outermost keys stands.
    """

    body: Any
    line: int
    lines: dict[str, int]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.2 as Go reads it: `yes` and `on` are text, and so are times and dates; a key stands once."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own way)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, and refuse what Kubernetes refuses or would read otherwise."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(None, None, f'a key must be text: write "{key.value}"', key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"the key `{key.value}` stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+.0123456789")),
    "merge": (r"<<", ["<"]),
}
for _kind, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


LARGEST = 200_000  # values in one document; a whole platform has a thousand


def _measure(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a document with all its aliases (`*name`) written out, so that none of them explodes.

    Raises:
        yaml.MarkedYAMLError: there are too many, or an alias stands inside what it names.
    """
    size = known.get(id(node))
    if size is None:
        known[id(node)] = 0
        inner = node.value if isinstance(node, yaml.SequenceNode) else []
        inner = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else inner
        size = known[id(node)] = 1 + sum(_measure(one, known) for one in inner)
    if size == 0:
        raise yaml.MarkedYAMLError(None, None, "an alias stands inside what it names", node.start_mark)
    if size > LARGEST:
        raise yaml.MarkedYAMLError(None, None, f"it holds more than {LARGEST} values", node.start_mark)
    return size


def read(file: Path) -> list[Document]:
    """Read the documents of a file; empty ones are left out.

    Raises:
        ManifestError: the file cannot be read, or it is not valid YAML; with the line.
    """
    return parse(read_text(file), str(file))


def read_text(file: Path) -> str:
    """Read a text file.

    Raises:
        ManifestError: there is no such file, or it is not text.
    """
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise ManifestError(f"cannot read {file}", error.strerror or str(error), "check the path") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file} is not text", str(error), "save it as UTF-8") from error


def parse(text: str, name: str) -> list[Document]:
    """Read YAML documents out of a text.

    Args:
        text: the YAML.
        name: what to call it in an error.

    Raises:
        ManifestError: it is not valid YAML; with the line.
    """
    try:
        loader = _Loader(text)
        documents = []
        while loader.check_node():
            node = loader.get_node()
            _measure(node, {})
            keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
            lines = {str(key.value): key.start_mark.line + 1 for key in keys}
            documents.append(Document(loader.construct_document(node), node.start_mark.line + 1, lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        why = getattr(error, "problem", None) or str(error)
        hint = "compare the indentation with the lines above; no tabs, and a space after each colon"
        raise ManifestError(f"{where} is not valid YAML", why, hint) from error
    except RecursionError as error:
        raise ManifestError(f"{name} is nested too deeply", hint="is it a manifest?") from error
    return [document for document in documents if document.body is not None]
