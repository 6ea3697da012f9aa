"""What the tests of GitOps share: a repository of their own, and a cluster in memory that follows it."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from maas_lab.local.gitops.controller import Applications
from maas_lab.local.gitops.identity import APPLICATION, HOME, PROJECT
from maas_lab.local.gitops.sources import Answer, Sources
from maas_lab.local.kube import deletion
from maas_lab.local.kube.collector import Collector
from maas_lab.local.kube.controllers import all as controllers
from maas_lab.local.kube.controllers.client import EVENT, NODE, POD, Client
from maas_lab.local.kube.controllers.common import is_ready
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.store import Store
from tests.control_plane import collect, make_ready

NAMESPACE = "o1"
AUTHOR = {f"GIT_{who}_{what}": f"{what}@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENV = {**os.environ, **AUTHOR, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
OFFERED = {"cpu": "8", "memory": "16Gi", "pods": "110"}


class Repo:
    """A Git repository with a branch `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(argv, env=ENV, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, **files: str | None) -> None:
        """Write files, `__` for a slash and `_y` for `.yaml`; None deletes one."""
        for name, text in files.items():
            file = self.folder / (name.replace("__", "/").removesuffix("_y") + (".yaml" if name.endswith("_y") else ""))
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink()
            else:
                file.write_text(text)

    def commit(self, message: str = "change", **files: str | None) -> str:
        """Write files, commit everything, and return the commit."""
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def config_map(name: str, value: str = "1", **annotations: str) -> str:
    marks = "".join(f"\n    argocd.argoproj.io/{key.replace('_', '-')}: '{told}'" for key, told in annotations.items())
    marked = f"\n  annotations:{marks}" if marks else ""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}{marked}\ndata:\n  k: '{value}'\n"


def deployment(name: str, image: str = "web:1", replicas: int = 1, wave: int = 0) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  annotations:
    argocd.argoproj.io/sync-wave: '{wave}'
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: c
          image: {image}
"""


class Cluster:
    """A store with all controllers, one of Applications, a clock, and a kubelet that is asked for each of its steps."""

    def __init__(self, rules, render) -> None:
        self.objects = Objects(Store(Path(":memory:")), rules)
        self.client = Client(self.objects, "test")
        self.at = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self.rendered = []
        self._render = render
        self.start()
        for name in (NAMESPACE, HOME):
            self.client.create(of("v1", "Namespace"), {"metadata": {"name": name}})
        node = self.client.create(NODE, {"metadata": {"name": "local"}})
        self.client.update_status(NODE, node, {"allocatable": OFFERED})
        self.broken = set()  # images that do not run

    def start(self):
        """Begin, or begin again with nothing known but the store."""
        self.work = controllers.start(self.objects, lambda: self.at)
        self.collector = Collector(self.objects)
        self.sources = Sources(self.render, lambda find: find(), lambda request: None)
        self.applications = Applications(self.objects, lambda: self.at, self.sources)
        self.gitops = Work(self.objects.store, [self.applications], lambda: self.at)

    def restart(self):
        self.work.close()
        self.gitops.close()
        self.start()

    def render(self, request):
        self.rendered.append(request)
        return Answer.of(json.loads(self._render(request._asdict())))

    def settle(self, seconds=0.0):
        """Let time pass, and everybody work until nothing is left to do."""
        self.at += datetime.timedelta(seconds=seconds)
        while self.gitops.run_until_idle() or self.work.run_until_idle() or collect(self.collector) or self.kubelet():
            pass

    def run(self, seconds=2.0):
        """Let time pass in small steps."""
        for _ in range(int(seconds / 0.5)):
            self.settle(0.5)

    def kubelet(self):
        for pod in self.client.list(POD, NAMESPACE):
            if pod["metadata"].get("deletionTimestamp"):
                how = deletion.DeleteOptions(grace_s=0)
                deletion.delete(self.objects, Target(POD, NAMESPACE, pod["metadata"]["name"]), how)
                return True
            works = pod["spec"]["containers"][0]["image"] not in self.broken
            if pod["spec"].get("nodeName") and not is_ready(pod) and works:
                make_ready(self.client, pod, self.at)
                return True
        return False

    def project(self, name="p", **spec):
        return self.client.create(PROJECT, {"metadata": {"name": name, "namespace": HOME}, "spec": spec})

    def follow(self, repo, name="a", path="app", revision="main", policy=None, settle=True, **more):
        """Make an Application that follows a repository, and let it be seen to."""
        address = str(repo.folder if isinstance(repo, Repo) else repo)
        spec = {
            "project": more.pop("project", "default"),
            "source": {"repoURL": address, "path": path, "targetRevision": revision, **more.pop("source", {})},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
            **({"syncPolicy": policy} if policy is not None else {}),
        }
        metadata = {"name": name, "namespace": more.pop("namespace", HOME), **more.pop("metadata", {})}
        self.client.create(APPLICATION, {"metadata": metadata, "spec": {**spec, **more}})
        if settle:
            self.run()
        return self.app(name, metadata["namespace"])

    def app(self, name="a", namespace=HOME):
        return self.client.get(APPLICATION, namespace, name)

    def change(self, name="a", **fields):
        """Change fields of an Application as a client does, and let it be seen to."""
        self.client.update(APPLICATION, {**self.app(name), **fields})
        self.run()
        return self.app(name)

    def sync(self, name="a", **sync):
        return self.change(name, operation={"sync": sync, "initiatedBy": {"username": "alice"}})

    def annotate(self, name="a", **marks):
        app = self.app(name)
        told = {f"argocd.argoproj.io/{key}": value for key, value in marks.items()}
        self.client.update(APPLICATION, {**app, "metadata": {**app["metadata"], "annotations": told}})

    def get(self, kind, name, version="v1"):
        return self.client.get(of(version, kind), NAMESPACE, name)

    def deployment(self, name):
        return self.get("Deployment", name, "apps/v1")

    def delete(self, kind, name, version="v1", namespace=NAMESPACE):
        self.client.delete(of(version, kind), self.client.get(of(version, kind), namespace, name))

    def events(self):
        return [(one["reason"], one["message"]) for one in self.client.list(EVENT, HOME)]


def state(app):
    """The two words of an Application."""
    return app["status"]["sync"]["status"], app["status"]["health"]["status"]


def conditions(app):
    return {one["type"]: one["message"] for one in app["status"].get("conditions", [])}


SMALL = {f"{part}-overlay": f"{part}/overlays/local" for part in ("infrastructure", "models")}


def small_manifests(folder: Path) -> Path:
    """Write manifests of a platform that is two ConfigMaps and follows Git as the lab's does; its facts are SMALL."""
    for name in ("gitops", "gitops-learners"):
        shutil.copytree(Path(__file__).parents[1] / "manifests" / name, folder / name)
    for overlay in SMALL.values():
        (folder / overlay).mkdir(parents=True)
        (folder / overlay / "kustomization.yaml").write_text("resources: [it.yaml]\n")
        (folder / overlay / "it.yaml").write_text(config_map(overlay.partition("/")[0]))
    return folder


def library(runtime) -> None:
    """Make the library that reads repositories importable here."""
    if str(runtime.git) not in sys.path:
        sys.path.append(str(runtime.git))
