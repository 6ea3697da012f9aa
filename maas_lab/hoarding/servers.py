"""A model server for one developer: the platform's own manifest under another name, and with a GPU asked for."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maas_lab import reality
from maas_lab.errors import UsageError

if TYPE_CHECKING:
    from maas_lab.lab import Lab

NAMES = ("amina", "bruno", "chloe", "dmitri", "elena", "farid", "greta", "hanna", "imran", "joana", "keiko", "lucas")


@dataclass(frozen=True)
class Slot:
    """What a developer asks for to get a GPU; `slot` makes it.

    Attributes:
        resource: its name, e.g. `nvidia.com/gpu`.
        is_device: whether a device is behind it, as far as the cluster tells.
    """

    resource: str
    is_device: bool


def developers(people: int) -> list[str]:
    """Return the names of so many developers.

    Raises:
        UsageError: so many are not known.
    """
    if not 2 <= people <= len(NAMES):
        raise UsageError(f"`people` is {people}", f"the lesson knows 2 to {len(NAMES)}", "e.g. people = 7")
    return list(NAMES[:people])


def slot(lab: Lab, *, agreed: bool = False) -> Slot:
    """Return what a developer asks for to get a GPU here.

    Args:
        lab: the lab.
        agreed: whether you may take real GPUs, all that are free, for the minutes of a lesson.

    Raises:
        UsageError: these are real devices, as far as the cluster tells, and you have not agreed.
    """
    is_device = not reality.is_simulation(lab.cluster, lab.gpu_resource)
    if is_device and not agreed:
        why = f"{lab.gpu_resource} stands for real devices here, and the lesson takes all that are free"
        hint = "ask whoever looks after the cluster; then set `agreed = True`, or `./lab run 01 -p agreed True`"
        raise UsageError("this lesson would take real GPUs", why, hint)
    return Slot(lab.gpu_resource, is_device)


def server_name(model: str, developer: str) -> str:
    """Return the name of a developer's own server of a model; it has at most 53 letters, as KServe wants it."""
    return f"{model[: 52 - len(developer)]}-{developer}"


def own_server(models: Iterable[Mapping[str, Any]], developer: str, slot: Slot) -> list[dict[str, Any]]:
    """Return what a developer deploys: the recipe as it is, and a copy of the model of their own with one slot.

    Args:
        models: the platform's, rendered: a ServingRuntime and one InferenceService.
        developer: their name.
        slot: what one copy asks for.

    Raises:
        UsageError: there is no InferenceService, or more than one.
    """
    recipes = [one for one in models if one["kind"] == "ServingRuntime"]
    services = [one for one in models if one["kind"] == "InferenceService"]
    if len(services) != 1 or not recipes:
        kinds = ", ".join(one["kind"] for one in models) or "nothing"
        hint = 'manifests.render(lab.overlay("models"), namespace)'
        raise UsageError("these are not the manifests of one model", f"they hold {kinds}", hint)
    own = copy.deepcopy(dict(services[0]))
    meta, model = own["metadata"], own["spec"]["predictor"]["model"]
    meta["name"] = server_name(meta["name"], developer)
    meta["labels"] = {**(meta.get("labels") or {}), "app.kubernetes.io/name": meta["name"]}
    wanted = model.get("resources") or _container(recipes, model)["resources"]
    model["resources"] = {part: {**wanted.get(part, {}), slot.resource: "1"} for part in ("requests", "limits")}
    return [*copy.deepcopy(recipes), own]


def _container(recipes: list[Mapping[str, Any]], model: Mapping[str, Any]) -> Mapping[str, Any]:
    recipe = next((one for one in recipes if one["metadata"]["name"] == model.get("runtime")), recipes[0])
    return recipe["spec"]["containers"][0]
