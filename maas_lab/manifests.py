"""Render a folder of manifests as `kubectl kustomize` does, in plain Python: files in, Kubernetes objects out.

    from maas_lab.manifests import render
    render(Path("manifests/models/overlays/local"))

A folder is read with all that its kustomization.yaml names, in this order: resources, generated ConfigMaps, patches,
namespace, copies, names, labels, annotations, images; at the very end generated names get their hash and everything is
sorted. Only the fields in `kustomization.FIELDS` are known: those that the lab's manifests use, and those that an
Application of Argo CD can set. Nothing is fetched and nothing is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maas_lab import kustomization, marking, patches, renaming, transformers, yamlfile
from maas_lab.errors import ManifestError
from maas_lab.transformers import Resource


def render(
    folder: Path | str, namespace: str | None = None, patch: str = "", options: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Render a folder into the objects to apply, in the order of `kubectl kustomize`.

    Args:
        folder: a folder that holds a kustomization.yaml.
        namespace: another namespace for everything in it; None leaves what the folder says.
        patch: YAML of pieces of objects, as it could stand below `patches:` of another overlay.
        options: what an Application writes into the kustomization: fields of `spec.source.kustomize`.

    Raises:
        ManifestError: something in the folder cannot be read or does not fit together; says which file.
    """
    file = (Path(folder) if isinstance(folder, str) else folder).resolve()
    found = _build(file, (), options)
    if patch:
        patches.apply({}, _patch({"patch": patch}, file, file), found, file)
    if namespace:
        transformers.set_namespace(found, namespace)
    transformers.add_hashes(found)
    return [one.body for one in sorted(found, key=transformers.order)]


def read(file: Path) -> list[dict[str, Any]]:
    """Read the objects of one file of manifests.

    Raises:
        ManifestError: it cannot be read, or holds something that is no object; says where.
    """
    return [_checked(document, file) for document in yamlfile.read(file)]


def _build(folder: Path, above: tuple[Path, ...], options: Mapping[str, Any] | None = None) -> list[Resource]:
    """Render one folder; `above` are the folders that include it, outermost first."""
    if any(folder == one or folder in one.parents for one in above):
        chain = " includes ".join(str(one) for one in (*above, folder))
        raise ManifestError(f"{folder} includes itself", chain, "take it out of one of the `resources`")
    file, fields = kustomization.read(folder, options)
    found: list[Resource] = []
    for entry in fields.get("resources", []):
        _add(found, _read(folder, entry, file, (*above, folder)))
    for generator in fields.get("configMapGenerator", []):
        _add(found, [transformers.config_map(generator, lambda entry: inside(folder, entry, file), file)])
    for patch in fields.get("patches", []):
        patches.apply(patch, _patch(patch, folder, file), found, file)
    if fields.get("namespace"):
        transformers.set_namespace(found, fields["namespace"])
    marking.scale(found, fields.get("replicas", []), file)
    renaming.rename(found, fields.get("namePrefix", ""), fields.get("nameSuffix", ""))
    for labels in fields.get("labels", []):
        transformers.add_labels(found, labels, file)
    marking.label(found, fields.get("commonLabels", {}))
    marking.annotate(found, fields.get("commonAnnotations", {}))
    transformers.set_images(found, fields.get("images", []), file)
    return found


def _read(folder: Path, entry: str, file: Path, above: tuple[Path, ...]) -> list[Resource]:
    """Read one entry of `resources`: another folder, or a file of manifests."""
    if "://" in entry or entry.startswith(("github.com/", "git@")):
        raise ManifestError(f"{file} includes {entry}", "the lab reads folders of this machine only", "clone it first")
    if (folder / entry).is_dir():
        return _build((folder / entry).resolve(), above)
    path = inside(folder, entry, file)
    return [Resource(body, path) for body in read(path)]


def inside(folder: Path, entry: str, file: Path) -> Path:
    """Return the path of a file that a kustomization names.

    Raises:
        ManifestError: there is no such file, or it lies outside the folder (also by way of a link).
    """
    path = folder / entry
    if not path.is_file():
        close = [one.name for one in folder.iterdir() if one.name.lower().startswith(Path(entry).stem.lower()[:4])]
        hint = f"the folder holds {', '.join(sorted(close))}" if close else "check the spelling"
        raise ManifestError(f"{file} names `{entry}`, and there is no such file or folder", hint=hint)
    if not path.resolve().is_relative_to(folder):
        why = "a kustomization may only use files in or below its own folder"
        raise ManifestError(f"{file} names `{entry}`, which lies outside its folder", why, "name the file's folder")
    return path


def _checked(document: yamlfile.Document, path: Path) -> dict[str, Any]:
    body = document.body
    where = f"{path}, line {document.line}"
    if not isinstance(body, dict):
        raise ManifestError(f"{where} is not an object", hint="a manifest begins with `apiVersion:` and `kind:`")
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    held = {"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata.name": name}
    missing = [field for field, value in held.items() if not isinstance(value, str) or not value]
    if missing:
        raise ManifestError(f"{where}: an object without {' and '.join(missing)}", hint=f"add `{missing[0]}:`")
    return body


def _patch(patch: dict[str, Any], folder: Path, file: Path) -> list[Any]:
    """Return the documents of a patch, which stands in a file or in the kustomization itself."""
    if ("path" in patch) == ("patch" in patch):
        raise ManifestError(f"{file}: a patch needs either `path` or `patch`", hint="write exactly one of them")
    if "path" in patch:
        return [document.body for document in yamlfile.read(inside(folder, patch["path"], file))]
    return [document.body for document in yamlfile.parse(patch["patch"], f"a patch in {file}")]


def _add(found: list[Resource], more: list[Resource]) -> None:
    for one in more:
        twin = next((other for other in found if other.id == one.id), None)
        if twin:
            why = f"in {twin.file} and in {one.file}"
            raise ManifestError(f"{one} is there twice", why, "take one of them out of `resources`")
        found.append(one)
