"""Write into a kustomization what an Argo CD Application wants in it: the fields of `spec.source.kustomize`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maas_lab.errors import ManifestError

KNOWN = {
    *("commonAnnotations", "commonLabels", "forceCommonAnnotations", "forceCommonLabels", "images"),
    *("labelIncludeTemplates", "labelWithoutSelector", "namePrefix", "nameSuffix", "namespace", "patches", "replicas"),
}
REPLACED = ("namePrefix", "nameSuffix", "namespace")


def written(fields: Mapping[str, Any], options: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return the fields of a kustomization with an Application's options among them, as Argo CD edits the file.

    Args:
        fields: of the kustomization.
        options: from the Application, whose kind has been checked.
        file: the kustomization.

    Raises:
        ManifestError: a label or annotation is there already, and is not to be replaced.
    """
    told = {**fields, **{name: options[name] for name in REPLACED if options.get(name)}}
    images = [image(one) for one in options.get("images") or []]
    counts = [{"name": one["name"], "count": int(one["count"])} for one in options.get("replicas") or []]
    for name, more in (("images", images), ("replicas", counts)):
        new = {one["name"] for one in more}
        told[name] = [*(one for one in fields.get(name, []) if one.get("name") not in new), *more]
    for name in ("commonLabels", "commonAnnotations"):
        pairs = options.get(name) or {}
        is_forced = options.get(f"force{name[0].upper()}{name[1:]}")
        if twice := sorted(pairs.keys() & fields.get(name, {}).keys()) if not is_forced else []:
            hint = f"force{name[0].upper()}{name[1:]}: true replaces it"
            raise ManifestError(f"spec.source.kustomize.{name}: {twice[0]} is in {file} already", hint=hint)
        if name == "commonLabels" and options.get("labelWithoutSelector"):
            entry = {"pairs": dict(pairs), "includeTemplates": bool(options.get("labelIncludeTemplates"))}
            told["labels"] = [*fields.get("labels", []), entry]
        else:
            told[name] = {**fields.get(name, {}), **pairs}
    told["patches"] = [*fields.get("patches", []), *(options.get("patches") or [])]
    return told


def image(text: str) -> dict[str, str]:
    """Read how an Application names an image: `NAME:TAG`, `NAME@DIGEST`, or `OLD=NEW` with either.

    Raises:
        ManifestError: it says nothing new.
    """
    old, changed, new = text.rpartition("=")
    base, _, digest = new.partition("@")
    path, slash, last = base.rpartition("/")
    name, colon, tag = last.partition(":")
    told = {"name": old or path + slash + name}
    told |= {"newName": path + slash + name} if changed else {}
    told |= {"newTag": tag} if colon else {}
    told |= {"digest": digest} if digest else {}
    if len(told) == 1 or "*" in text or not name or not told["name"]:
        hint = "write NAME:TAG, NAME@DIGEST or OLD=NEW:TAG"
        raise ManifestError(f"spec.source.kustomize.images: {text!r} changes nothing", hint=hint)
    return told
