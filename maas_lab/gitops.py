"""GitOps: a deployment repository, and the Argo CD Applications by which the cluster follows it.

lab.gitops.create()                    # the repository, and the Applications
lab.gitops.status()
lab.gitops.commit("A longer context")  # after a file in lab.gitops.folder has changed
lab.gitops.wait()

For a platform of your own beside the lab's, the same is under `lab.gitops.in_namespace(...)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maas_lab import applications, following, manifests, settings, wait
from maas_lab.admission import Admission
from maas_lab.applications import PARTS, REFRESH, Followers
from maas_lab.cluster import Cluster
from maas_lab.errors import ClusterUnreachable, NotFound, UsageError
from maas_lab.following import Deployed, Followed, Object
from maas_lab.git import Repository
from maas_lab.objects import plain
from maas_lab.tables import Table, Text

NAMESPACE = applications.HOME


class GitOps:
    """The deployment repository of a lab, and what follows it.

    Args:
        cluster: on which the platform runs.
        namespace: of the platform.
        folder: of the manifests.
        facts: what the platform's ConfigMap says; which folders of manifests it runs is among that.
        is_here: the cluster runs on this machine, so it can read a repository of it.
        home: the lab's home.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        folder: Path,
        facts: Mapping[str, str],
        *,
        is_here: bool,
        home: Path | None = None,
    ) -> None:
        self._cluster, self._followers, self._manifests = cluster, Followers.of_the_lab(namespace), folder
        self._facts, self._is_here = facts, is_here
        self._home = home or settings.load().home
        self._repository = Repository(self._home / settings.DEPLOYMENT)
        self._admission: Admission | None = None  # the lab's own platform has a project of its own

    def in_namespace(self, namespace: str) -> GitOps:
        """Return the same for a platform of your own: with a repository of its own, and Applications in its namespace.

        Args:
            namespace: of that platform, e.g. what `lab.cluster.own_namespace(...)` returns.
        """
        own = GitOps(self._cluster, namespace, self._manifests, self._facts, is_here=self._is_here, home=self._home)
        own._followers = Followers.of_ones_own(namespace)
        own._admission = Admission(self._cluster, self._manifests, namespace, f"{own}.create()")
        own._repository = Repository(self._home / settings.DEPLOYMENTS / namespace)
        return own

    def __repr__(self) -> str:
        own = self._followers.is_own
        return f'lab.gitops.in_namespace("{self._followers.namespace}")' if own else "lab.gitops"

    @property
    def folder(self) -> Path:
        """The clone of the deployment repository: change files here.

        Raises:
            NotFound: there is none yet.
        """
        if not self._repository.exists:
            raise NotFound("there is no deployment repository yet", hint=f"{self}.clone(), or .create()")
        return self._repository.folder

    def overlay(self, part: str) -> Path:
        """Return the folder of the clone that the Application of a part follows.

        Args:
            part: `infrastructure` or `models`.
        """
        return self.folder / "manifests" / self._facts[f"{part}-overlay"]

    def clone(self, repository: str = "") -> Text:
        """Clone the deployment repository into `folder`, and tell its last commit; a clone that is there stays.

        Args:
            repository: its address, e.g. that of your fork; empty makes one in the lab's home. On a cluster that cannot
                read this machine's files, empty returns the commands that make one.

        Raises:
            EnvironmentFault: git is not installed.
            UsageError: git refuses; why is what it says.
        """
        if self._repository.exists:
            if repository not in ("", cloned := self._repository.address):
                hint = f"{self}.remove(repository=True) deletes that one"
                raise UsageError(f"{self._repository.folder} is a clone of {cloned}", f"not of {repository}", hint)
        elif repository:
            self._repository.clone(repository, self._followers.namespace if self._followers.is_own else "")
        elif self._is_here:
            self._repository.create(self._manifests, "manifests")
        else:
            return Text(_COMMANDS.format(folder=self._manifests))
        return Text(f"branch {self._repository.branch}: {self._repository.subject('HEAD')}")

    def create(self, repository: str = "", revision: str = "") -> Table[Followed] | Text:
        """Make the platform follow a repository of its manifests; a second time changes nothing.

        A platform of your own needs an AppProject with its namespace's name: who may make it makes it hereby.

        Args:
            repository: as `clone` takes it; the clone's, where there is one.
            revision: branch, tag or commit to follow; the clone's branch when left out.

        Raises:
            NotFound: the cluster has no Argo CD.
            EnvironmentFault: git is not installed.
            NotAllowed: there is no such AppProject, and you may not make it; the hint is what to ask for.
            TookTooLong: Argo CD does not look into the namespace.
        """
        told = self.clone(repository)
        if not self._repository.exists:
            return told
        source = self._repository.address, revision or self._repository.branch
        objects = self._followers.objects(self._manifests, self._facts, *source, eager=self._is_here)
        is_admitted = self._admission is None or self._admission.make()
        self._cluster.apply(objects, force=True)
        if not is_admitted:  # by us: a class has projects that its learners can neither make nor see
            self._admission.wait_seen(self._applications)
        return self.status()

    def status(self) -> Table[Followed]:
        """Return how the Applications stand: against Git, and by themselves."""
        return Table(Followed, [following.followed(one) for one in self._applications()])

    def commit(self, message: str) -> str:
        """Commit and push all changes in the folder, and return the commit.

        Args:
            message: why, in a line.

        Raises:
            UsageError: nothing has changed, or git refuses.
        """
        return self._checked().commit(message)

    def revert(self, revision: str = "HEAD") -> str:
        """Take a commit back by a new one, which is how a platform that follows Git is rolled back; return the new one.

        Raises:
            UsageError: later commits have changed the same lines.
        """
        return self._checked().revert(revision)

    def tag(self, name: str, revision: str = "HEAD") -> str:
        """Set a tag to a commit and push it: who follows the tag gets this commit. Return the commit."""
        return self._checked().tag(name, revision)

    def wait(self, revision: str = "", name: str = "", timeout: float = 120) -> Table[Followed]:
        """Wait until Applications are synced to a commit, and well.

        Args:
            revision: the commit; the last one that was pushed when left out.
            name: of one Application; all of them when left out.
            timeout: seconds to wait.

        Raises:
            Rejected: the commit cannot be rendered or applied; why is what the cluster says of it.
            NotAllowed: the AppProject of a platform of your own is gone, and you may not make it.
            TookTooLong: it is not there in time.
        """
        wanted = revision or self._checked().pushed
        told = f"the platform to be synced to {wanted[:7]}"
        wait.until(
            lambda: all(following.arrived(one, wanted) for one in self._admitted(name)),
            what=told,
            timeout=timeout,
            transient=(ClusterUnreachable,),
            hint="lab.gitops.status() tells how far it is",
        )
        return self.status()

    def sync(self, name: str, revision: str = "", *, prune: bool = False) -> None:
        """Sync an Application now, by hand.

        Args:
            name: of the Application.
            revision: another commit than the one it follows; one that syncs by itself goes back to that.
            prune: delete what Git no longer has.
        """
        sync = {"prune": prune, **({"revision": revision} if revision else {})}
        [app] = self._applications(name)
        self._apply(app, operation={"initiatedBy": {"username": self._cluster.user}, "sync": sync})

    def refresh(self, name: str, *, hard: bool = False) -> None:
        """Let an Application look at Git now; hard: forget what it knew of it."""
        [app] = self._applications(name)
        self._apply(app, {REFRESH: "hard" if hard else "normal"})

    def follow(self, revision: str) -> Table[Followed]:
        """Make all Applications follow another branch, tag or commit."""
        for app in self._applications():
            source = {**app["spec"]["source"], "targetRevision": revision}
            self._apply(app, spec={**app["spec"], "source": source})
        return self.status()

    def diff(self, name: str) -> Text:
        """Return what applying the folder as it is now would change: lines with + are new, lines with - go.

        Args:
            name: of an Application.

        Raises:
            ManifestError: its folder cannot be rendered.
        """
        [app] = self._applications(name)
        wanted = manifests.render(self.folder / app["spec"]["source"]["path"], self._followers.namespace)
        wanted.sort(key=lambda one: one["kind"] != "Namespace")  # as the cluster applies them
        lines: list[str] = []
        for change, body in zip(self._cluster.apply(wanted, dry_run=True, force=True), wanted, strict=True):
            if change.action != "unchanged":
                what, meta = body["kind"], body["metadata"]
                place = (what, meta["name"], meta.get("namespace"), body["apiVersion"])
                live = {} if change.action == "created" else self._cluster.get(*place)
                lines += ["", f"=== {what} {meta['name']}", *following.changed(body, live)]
        there = {(one["kind"], one["metadata"]["name"]) for one in wanted}
        for one in (app.get("status") or {}).get("resources") or []:
            if (one["kind"], one["name"]) not in there:
                lines += ["", f"--- {one['kind']} {one['name']} is not in the folder"]
        return Text("\n".join(lines).strip() or "(nothing)")

    def history(self, name: str) -> Table[Deployed]:
        """Return the deployments of an Application, the last ten, newest first."""
        [app] = self._applications(name)
        subject = self._repository.subject if self._repository.exists else lambda revision: ""
        return Table(Deployed, following.deployments(app, subject)[::-1])

    def remove(self, *, repository: bool = False) -> None:
        """Let the platform follow Git no longer; what runs goes on. Its AppProject goes too, where you may delete it.

        Args:
            repository: delete the repository in the lab's home, too, with all that was changed in it.
        """
        self._cluster.delete([f"application/{name}" for name in PARTS], self._followers.place)
        if self._admission:
            self._admission.remove()
        else:
            self._cluster.delete(f"appproject/{self._followers.project}", applications.HOME)
        if repository:
            self._repository.remove()

    def _checked(self) -> Repository:
        """Return the repository, which must be there."""
        return Repository(self.folder)

    def _applications(self, name: str = "") -> list[Object]:
        """Return the Applications as they are, or the one of a name.

        Raises:
            NotFound: there are none.
            UsageError: there is none of this name.
        """
        if name and name not in PARTS:
            raise UsageError(f"there is no Application `{name}`", hint=f"there are: {', '.join(PARTS)}")
        try:
            return [self._cluster.get("Application", one, self._followers.place) for one in ([name] if name else PARTS)]
        except NotFound as error:
            raise NotFound("the platform does not follow Git yet", error.what, f"{self}.create()") from error

    def _admitted(self, name: str) -> list[Object]:
        """Return the Applications, or the one of a name, as `_applications`; a project must admit them."""
        found = self._applications(name)
        if self._admission:
            self._admission.insist(found)
        return found

    def _apply(self, app: Object, annotations: Mapping[str, str] | None = None, **fields: Any) -> None:
        """Write an Application anew with some fields changed."""
        had = app["metadata"]
        marks = {**(had.get("annotations") or {}), **(annotations or {})}
        metadata = {"name": had["name"], "namespace": had["namespace"], "labels": had.get("labels") or {}}
        body = {"apiVersion": app["apiVersion"], "kind": app["kind"], "metadata": {**metadata, "annotations": marks}}
        self._cluster.apply({**body, "spec": plain(app["spec"]), **fields}, force=True)


_COMMANDS = """\
git init -b main maas-platform && cp -r {folder} maas-platform/
cd maas-platform && git add . && git commit -m "The platform as the lab ships it"
git remote add origin ADDRESS && git push -u origin main
Then: clone("ADDRESS"), with the address as the cluster reaches it."""
