"""Read a kustomization.yaml: the fields that the lab's manifests use, and a helpful word about all others."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maas_lab import kustomize_options, yamlfile
from maas_lab.errors import ManifestError

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
HEADER = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
TARGET = {"group": str, "version": str, "kind": str, "name": str, "namespace": str}
# What each field holds: a type, [entry] for a list, {name: ...} for fields of its own, {str: ...} for free names.
FIELDS: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "namespace": str,
    "namePrefix": str,
    "nameSuffix": str,
    "resources": [str],
    "commonLabels": {str: str},
    "commonAnnotations": {str: str},
    "replicas": [{"name": str, "count": int}],
    "labels": [{"pairs": dict, "includeSelectors": bool, "includeTemplates": bool}],
    "images": [{"name": str, "newName": str, "newTag": str, "digest": str}],
    "patches": [{"path": str, "patch": str, "target": TARGET}],
    "configMapGenerator": [
        {
            "name": str,
            "envs": [str],
            "files": [str],
            "literals": [str],
            "options": {"disableNameSuffixHash": bool},
        }
    ],
}
# Fields that kustomize has and this renderer has not.
OTHERS = {
    *(
        "bases",
        "components",
        "crds",
        "generatorOptions",
        "generators",
        "helmCharts",
    ),
    *("openapi", "patchesJson6902", "patchesStrategicMerge", "replacements"),
    *("secretGenerator", "sortOptions", "transformers", "validators", "vars", "behavior", "env", "fields", "options"),
    *("annotationSelector", "labelSelector", "annotations", "labels", "immutable", "buildMetadata", "configurations"),
}
WORDS = {str: "text", bool: "true or false", dict: "a mapping", int: "a whole number"}


def read(folder: Path, options: Mapping[str, Any] | None = None) -> tuple[Path, dict[str, Any]]:
    """Read the kustomization of a folder, and return its file and its fields.

    Args:
        folder: which holds it.
        options: what an Application writes into it.

    Raises:
        ManifestError: the folder or the file is not there or empty, or a field is unknown or of the wrong kind.
    """
    file = _file(folder)
    documents = yamlfile.read(file)
    if len(documents) != 1:
        what = "is empty" if not documents else "holds more than one document"
        raise ManifestError(f"{file} {what}", hint="write `resources:` and a list of files below it")
    document = documents[0]
    _check(document.body, FIELDS, "", file, document.lines)
    for name, known in HEADER.items():
        if (held := document.body.get(name, known)) != known:
            raise ManifestError(f"{file}: {name} is {held}", "nothing else can be rendered", f"{name}: {known}")
    return file, kustomize_options.written(document.body, options, file) if options else document.body


def _file(folder: Path) -> Path:
    if not folder.is_dir():
        why = "it is a file" if folder.exists() else "there is no such folder"
        raise ManifestError(f"cannot render {folder}", why, "name a folder that holds a kustomization.yaml")
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    if not found:
        raise ManifestError(f"{folder} holds no kustomization.yaml", hint="an overlay's folder holds one")
    if len(found) > 1:
        raise ManifestError(f"{folder} holds both {found[0].name} and {found[1].name}", hint="delete one of them")
    return found[0]


def _check(value: Any, shape: Any, path: str, file: Path, lines: dict[str, int]) -> None:
    """Compare a value with the shape that it must have."""
    where = f"{file}, line {lines[top]}" if (top := path.split(".")[0].split("[")[0]) in lines else str(file)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise ManifestError(f"{where}: `{path}` is not a list", hint="begin each entry with `- `")
        for number, entry in enumerate(value):
            _check(entry, shape[0], f"{path}[{number}]", file, lines)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ManifestError(f"{where}: `{path or 'the file'}` is not a mapping", hint="write `name: value` lines")
        for name, entry in value.items():
            inner = f"{path}.{name}" if path else name
            known = shape.get(str if str in shape else name)
            if known is None:
                raise _unknown(name, shape, file, lines.get(inner.split(".")[0].split("[")[0]), inner)
            _check(entry, known, inner, file, lines)
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        hint = f'write "{value}" in quotes' if shape is str and isinstance(value, bool | int | float) else ""
        raise ManifestError(f"{where}: `{path}` is {value!r}", f"it takes {WORDS[shape]}", hint)


def _unknown(name: str, known: dict[str, Any], file: Path, line: int | None, path: str) -> ManifestError:
    what = f"unknown field `{path}` in {file}" + (f", line {line}" if line else "")
    if name in OTHERS:
        why = "kustomize knows this field; the lab's renderer has only what its own manifests use"
        return ManifestError(what, why, f"known here: {', '.join(known)}; or render with kubectl kustomize")
    close = difflib.get_close_matches(name, known, 1) or [one for one in known if one.lower() == name.lower()]
    return ManifestError(what, hint=f"did you mean `{close[0]}`?" if close else f"known fields: {', '.join(known)}")
