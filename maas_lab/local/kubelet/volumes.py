"""Make the folders that a pod's volumes stand for: claims last, everything else goes with the pod."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from maas_lab.local.home import write_private
from maas_lab.local.kube import syntax
from maas_lab.local.kube.controllers.client import CLAIM, Client
from maas_lab.local.kube.store import Object
from maas_lab.local.kubelet.environment import expand
from maas_lab.local.kubelet.lookup import Lookup, Missing, field

Files = dict[str, bytes]
SUPPORTED = "persistentVolumeClaim, emptyDir, configMap, secret, projected and downwardAPI"


class Volumes:
    """The volumes of one home: `volumes/<namespace>/<claim>-<uid>` and `pods/<pod's uid>/volumes/<volume>`."""

    def __init__(self, client: Client, home: Path) -> None:
        self._client, self._claims, self._pods = client, home / "volumes", home / "pods"

    def folder(self, pod: Object) -> Path:
        """Return a pod's private folder."""
        return self._pods / pod["metadata"]["uid"]

    def mount(self, pod: Object) -> dict[str, Path]:
        """Make the folders of a pod's volumes, bring their files up to date, and return the folders by volume.

        Raises:
            Missing: one of them cannot be mounted; the message is a kubelet's.
        """
        return {one["name"]: self._mount(pod, one) for one in pod["spec"].get("volumes") or ()}

    def remove(self, uid: str) -> None:
        """Delete the private folder of a pod."""
        shutil.rmtree(self._pods / uid, ignore_errors=True)

    def sweep(self, pods: Iterable[str]) -> None:
        """Delete the folders of pods, by their uids, and of claims that exist no more."""
        kept = set(pods)
        for folder in self._pods.glob("*"):
            if folder.name not in kept:
                self.remove(folder.name)
        self.sweep_claims()

    def sweep_claims(self) -> None:
        """Delete the folders of claims that exist no more, with all that was kept in them."""
        kept = {self._claim_folder(claim) for claim in self._client.list(CLAIM)}
        for folder in self._claims.glob("*/*"):
            if folder not in kept:
                shutil.rmtree(folder)
                if not any(folder.parent.iterdir()):
                    folder.parent.rmdir()

    def _mount(self, pod: Object, volume: Object) -> Path:
        folder = self.folder(pod) / "volumes" / volume["name"]
        if claimed := volume.get("persistentVolumeClaim"):
            folder = self._claimed(pod, claimed["claimName"])
        elif "emptyDir" in volume:
            _make(folder)
        else:
            try:
                files = self._files(pod, volume)
            except Missing as error:
                raise Missing(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error
            _fill(folder, files)
        return folder

    def _claimed(self, pod: Object, name: str) -> Path:
        namespace = pod["metadata"]["namespace"]
        claim = self._client.get(CLAIM, namespace, name)
        if claim is None:
            raise Missing(
                f"error processing PVC {namespace}/{name}: failed to fetch PVC from API server: "
                f'persistentvolumeclaims "{name}" not found'
            )
        return _make(self._claim_folder(claim))

    def _claim_folder(self, claim: Object) -> Path:
        metadata = claim["metadata"]
        return self._claims / metadata["namespace"] / f"{metadata['name']}-{metadata['uid']}"

    def _files(self, pod: Object, volume: Object) -> Files:
        lookup = Lookup(self._client, pod["metadata"]["namespace"])
        if (one := volume.get("configMap")) is not None:
            return _from_config_map(one, lookup)
        if (one := volume.get("secret")) is not None:
            return _from_secret({**one, "name": one.get("secretName", "")}, lookup)
        if (one := volume.get("downwardAPI")) is not None:
            return _from_pod(one, pod, lookup)
        if (one := volume.get("projected")) is not None:
            files: Files = {}
            for source in one.get("sources") or ():
                files.update(_projected(source, pod, lookup))
            return files
        raise Missing(f"the local cluster mounts {SUPPORTED} volumes only")


def mounts(container: Object, folders: Mapping[str, Path], env: Mapping[str, str]) -> dict[str, Path]:
    """Return the folder behind each mount path of a container.

    Args:
        container: from the pod's spec.
        folders: of the pod's volumes.
        env: the container's variables, which `subPathExpr` may name.

    Raises:
        Missing: a path leads out of its volume.
    """
    found = {}
    for one in container.get("volumeMounts") or ():
        folder = folders[one["name"]]
        if part := one.get("subPath") or expand(one.get("subPathExpr") or "", dict(env)):
            if syntax.local_path(part):
                raise Missing(f'failed to prepare subPath for volumeMount "{one["name"]}" of container')
            folder = folder / part
            if not folder.exists():
                _make(folder)
        found[one["mountPath"]] = folder
    return found


def _from_config_map(one: Object, lookup: Lookup) -> Files:
    return _chosen(one, lookup.config_map(one), "configmap references non-existent config key: {}")


def _from_secret(one: Object, lookup: Lookup) -> Files:
    return _chosen(one, lookup.secret(one), "references non-existent secret key: {}")


def _chosen(one: Object, entries: Files, missing: str) -> Files:
    """Return the entries that a volume shows: all, or those of its items under other names."""
    if not one.get("items"):
        return entries
    files = {}
    for item in one["items"]:
        if item["key"] in entries:
            files[item["path"]] = entries[item["key"]]
        elif not one.get("optional"):
            raise Missing(missing.format(item["key"]))
    return files


def _from_pod(one: Object, pod: Object, lookup: Lookup) -> Files:
    files = {}
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    for item in one.get("items") or ():
        if asked := item.get("resourceFieldRef"):
            text = lookup.resource(containers.get(asked.get("containerName", ""), {}), asked)
        else:
            text = field(pod, item["fieldRef"]["fieldPath"])
        files[item["path"]] = text.encode()
    return files


def _projected(source: Object, pod: Object, lookup: Lookup) -> Files:
    if one := source.get("configMap"):
        return _from_config_map(one, lookup)
    if one := source.get("secret"):
        return _from_secret(one, lookup)
    if one := source.get("downwardAPI"):
        return _from_pod(one, pod, lookup)
    raise Missing("the local cluster projects configMap, secret and downwardAPI sources only")


def _make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _fill(folder: Path, files: Files) -> None:
    """Make a folder hold exactly these files, which only their owner may read."""
    _make(folder)
    wanted = {folder / name: content for name, content in files.items()}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    for path, content in wanted.items():
        if not path.is_file() or path.read_bytes() != content:
            _make(path.parent)
            write_private(path, content)
