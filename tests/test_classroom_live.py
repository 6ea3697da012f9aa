"""Two learners of a class on the running stack: what is one's, the other can neither see, change nor use up."""

from __future__ import annotations

import contextlib
import csv
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import yaml

from maas_lab import classroom, connect, wait
from maas_lab.applications import HOME, own_project
from maas_lab.classroom.accounts import FACT, Accounts, new_password
from maas_lab.classroom.learners import Learner
from maas_lab.classroom.rooms import QUOTA_KIND
from maas_lab.client import expect, openai_client
from maas_lab.cluster import Cluster
from maas_lab.errors import (
    BudgetExceeded,
    InvalidKey,
    LoginFailed,
    NoSuchEntry,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    RoleMissing,
    UsageError,
)
from maas_lab.following import is_seen
from maas_lab.gitops import GitOps
from maas_lab.keys import ApiKey
from maas_lab.lab import MANIFESTS, Lab
from maas_lab.platform import Platform
from maas_lab.settings import NAMESPACE
from tests.gitops_lab import SMALL, small_manifests

COURSE = "apart"
RBAC = "rbac.authorization.k8s.io"
WISHES = classroom.Wishes(classroom.Terms(budget=0.2, days=1))


@dataclass(frozen=True)
class Person:
    """A learner with what they were given."""

    learner: Learner
    row: dict[str, str]
    kubeconfig: Path

    @property
    def key(self) -> ApiKey:
        return ApiKey(self.row["key"])


def people(out: Path) -> list[Person]:
    with (out / "credentials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    learners = [Learner(COURSE, number, row["login"]) for number, row in enumerate(rows, 1)]
    return [Person(one, row, out / row["kubeconfig"]) for one, row in zip(learners, rows, strict=True)]


@pytest.fixture(scope="module")
def out(lab_under_test, tmp_path_factory) -> Path:
    """The folder of a class of two, which is ended after the last test."""
    lab_under_test.up()
    folder = tmp_path_factory.mktemp("class")
    folder.chmod(0o700)
    classroom.create(COURSE, 2, WISHES, folder)
    yield folder
    with contextlib.suppress(NotFound):
        classroom.delete(COURSE)


@pytest.fixture
def ann(out, stack) -> Person:
    return people(out)[0]


@pytest.fixture
def ben(out, stack) -> Person:
    return people(out)[1]


@pytest.fixture
def hers(ann) -> Lab:
    """The lab as Ann sees it."""
    with contextlib.closing(connect(ann.kubeconfig)) as lab:
        yield lab


def test_a_learner_connects_calls_and_logs_in_with_what_is_theirs(hers, ann):
    assert hers.cluster.whoami() == ann.learner.user
    assert hers.gateway.available_models(ann.key) == [hers.model]
    with hers.login() as portal:
        assert (portal.me.name, portal.me.roles, portal.budget().max_budget) == ("apart-01", ("user",), 0.2)


def test_a_second_run_changes_nothing(out, stack, tmp_path):
    before = {file.name: file.read_bytes() for file in out.iterdir() if file.suffix != ".html"}
    tmp_path.chmod(0o700)
    classroom.create(COURSE, 2, WISHES, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def opens(person: Person, stack) -> list[bool]:
    """Whether a learner's token, key and password open what they are for."""

    def succeeds(call) -> bool:
        try:
            call()
        except (NotLoggedIn, InvalidKey, LoginFailed):
            return False
        return True

    login, password = person.row["login"], person.row["password"]
    with Cluster(person.kubeconfig) as cluster:
        calls = (
            cluster.whoami,
            lambda: stack.gateway.available_models(person.key),
            lambda: stack.platform.login(login, password).close(),
        )
        return [succeeds(call) for call in calls]


def test_what_was_renewed_opens_nothing_any_more(out, stack, tmp_path):
    """An interrupted renewal hands out nothing that opens nothing either."""
    shutil.copytree(out, tmp_path / "before")
    before = people(tmp_path / "before")

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classroom.create(COURSE, 2, replace(WISHES, renew=True), out, report=interrupt)
    classroom.create(COURSE, 2, WISHES, out)
    assert [opens(one, stack) for one in people(out)] == [[True] * 3] * 2
    classroom.create(COURSE, 2, replace(WISHES, renew=True), out)
    assert [opens(one, stack) for one in people(out)] == [[True] * 3] * 2
    assert [opens(one, stack) for one in before] == [[False] * 3] * 2


def test_a_key_that_has_ended_opens_again_after_another_run(ann, out, stack):
    stack.gateway.update_key(ann.key, duration="1s")
    wait.until(lambda: not opens(ann, stack)[1], what="the end of the key", timeout=20)
    classroom.create(COURSE, 2, WISHES, out)
    assert opens(ann, stack) == [True] * 3


# The cluster


def binding(namespace: str, role: str) -> dict:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    place = {"namespace": namespace} if namespace else {}
    subject = {"kind": "ServiceAccount", "name": "learner", "namespace": "maas-lab-apart-01"}
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": "more", **place},
        "roleRef": ref,
        "subjects": [subject],
    }


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap", "Pod", "ServiceAccount", "Deployment", "Event", "Service"])
def test_nothing_of_another_learner_can_be_read(hers, ben, kind):
    places = [ben.learner.namespace, *ben.learner.lesson_namespaces, "*"]
    for place in places:
        with pytest.raises(NotAllowed):
            hers.cluster.list(kind, place)
        with pytest.raises(NotAllowed):
            hers.cluster.get(kind, "learner", place if place != "*" else ben.learner.namespace)


def test_no_secret_of_the_platform_can_be_read(hers, stack):
    names = [one.name for one in stack.platform.cluster.list("Secret", NAMESPACE)]
    assert {"litellm-secret", "postgres-secret", "backend-secret", "lab-users"} <= set(names)
    for place, name in [*((NAMESPACE, name) for name in names), ("openshift-config", "htpass-secret")]:
        with pytest.raises(NotAllowed):
            hers.cluster.get("Secret", name, place)
        with pytest.raises(NotAllowed):
            hers.cluster.list("Secret", place)


def test_nothing_outside_can_be_changed(hers, ann, ben):
    """Not the other's, not the platform's, and not what a learner was given."""
    own = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "maas-lab-learner", "namespace": ann.learner.namespace},
    }
    told = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "b"}}
    for body in (own, *({**told, "metadata": {"name": "mine", "namespace": one}} for one in _others(ann, ben))):
        with pytest.raises(NotAllowed):
            hers.cluster.apply(body, force=True)
        with pytest.raises(NotAllowed):
            hers.cluster.delete(body)
    for place in (ben.learner.namespace, NAMESPACE):
        for path in (f"/api/v1/namespaces/{place}", f"/apis/project.openshift.io/v1/projects/{place}"):
            with pytest.raises(NotAllowed):
                hers.cluster.api.connection.call("DELETE", path)


def test_a_project_of_one_learner_is_none_of_the_others(hers, ann, ben):
    mine = [hers.cluster.own_namespace("maas-lab-02"), "apart-scratch"]
    assert mine[0] in ann.learner.lesson_namespaces
    for name in mine:
        hers.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        hers.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {}}, name)
    with Cluster(ben.kubeconfig) as his:
        listed = his.api.connection.call("GET", "/apis/project.openshift.io/v1/projects").json()["items"]
        assert not {one["metadata"]["name"] for one in listed} & {*mine, ann.learner.namespace}
        for name in mine:
            with pytest.raises(NotAllowed):
                his.get("ConfigMap", "mine", name)
            with pytest.raises(NotAllowed):
                his.delete("configmap/mine", name)
            with pytest.raises(NotAllowed):
                his.api.connection.call("DELETE", f"/apis/project.openshift.io/v1/projects/{name}")
    assert hers.cluster.get("ConfigMap", "mine", mine[0]).name == "mine"


def test_a_learner_cannot_have_more_than_their_share(hers, ann):
    """Of all their namespaces together; what the lessons need is in it."""
    kind, version = QUOTA_KIND
    places = ("apart-many", "apart-more")
    for place in places:
        hers.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    for number in range(30):
        hers.cluster.apply(unplaced(f"n{number}"), places[number % 2])
    told = r"exceeded quota: maas-lab-apart-01, requested: pods=1, used: pods=30, limited: pods=30"
    for place in places:
        with pytest.raises(NotAllowed, match="a quota does not allow") as refused:
            hers.cluster.apply(unplaced("more"), place)
        assert told in refused.value.why
    with pytest.raises(NotAllowed):
        hers.cluster.delete({"apiVersion": version, "kind": kind, "metadata": {"name": ann.learner.namespace}})
    hers.cluster.delete([f"namespace/{place}" for place in places])


def unplaced(name: str) -> dict:
    """A pod that no scheduler takes."""
    spec = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "example/none:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _others(ann: Person, ben: Person) -> list[str]:
    return [ann.learner.namespace, ben.learner.namespace, NAMESPACE, "openshift-config", "kube-system", "default"]


def test_nobody_gives_themselves_more_rights(hers, ann, ben):
    for place in ("", *_others(ann, ben)):
        for role in ("cluster-admin", "edit", "view", "maas-lab-accountant"):
            with pytest.raises(NotAllowed):
                hers.cluster.apply(binding(place, role))
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    for place in (ben.learner.namespace, ann.learner.namespace, NAMESPACE):
        path = f"/api/v1/namespaces/{place}/serviceaccounts/learner/token"
        with pytest.raises(NotAllowed):
            hers.cluster.api.connection.call("POST", path, body=token)


# Git

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def following(tmp_path):
    """Let a platform follow Git in a namespace, as lesson 02 does; it is two ConfigMaps."""
    folder = small_manifests(tmp_path / "manifests")

    def make(cluster: Cluster, namespace: str) -> GitOps:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        lab = GitOps(cluster, NAMESPACE, folder, SMALL, is_here=True, home=tmp_path)
        return lab.in_namespace(namespace)

    return make


def told_of(cluster: Cluster, place: str, source: dict, project: str, to: str) -> str:
    """Return what the cluster says of an Application that uses a project and deploys into a namespace."""
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    spec = {
        "project": project,
        "source": source,
        "destination": {"server": "https://kubernetes.default.svc", "namespace": to},
        "syncPolicy": {"automated": {"prune": True}, "retry": {"limit": 0}},
    }
    cluster.apply({**head, "metadata": {"name": "tried", "namespace": place}, "spec": spec})

    def told() -> str:
        app = cluster.get("Application", "tried", place)
        conditions = [f"{one['type']}: {one['message']}" for one in app.get("status", {}).get("conditions", [])]
        done = app.get("status", {}).get("operationState", {})
        return is_seen(app) and "; ".join(
            [*conditions, *(done["message"] for _ in range(done.get("phase") == "Failed"))]
        )

    found = wait.until(told, what="the Application to be refused", timeout=30)
    cluster.delete("application/tried", place)
    return found


@needs_git
def test_a_platform_follows_git_in_its_own_namespace_and_reaches_no_other(hers, ann, ben, following):
    with Cluster(ben.kubeconfig) as his:
        places = [one.learner.followed_namespaces[0] for one in (ann, ben)]
        both = [(hers.cluster, *places), (his, *places[::-1])]
        for cluster, mine, _ in both:
            platform = following(cluster, mine)
            platform.create()
            assert [(row.sync, row.health) for row in platform.wait()] == [("Synced", "Healthy")] * 2
            assert cluster.get("ConfigMap", "models", mine)["data"] == {"k": "1"}
            platform.remove()  # the project stays: it is the class's
            cluster.delete("configmap/models", mine)
        for cluster, mine, other in both:
            source = {"repoURL": platform._repository.address, "path": "manifests/models/overlays/local"}
            into = {**source, "kustomize": {"namespace": other}}
            not_there = f"namespace '{other}' do not match any of the allowed destinations in project '{mine}'"
            assert not_there in told_of(cluster, mine, source, mine, other)
            assert f"namespace {other} is not permitted in project '{mine}'" in told_of(cluster, mine, into, mine, mine)
            for project, to in ((other, other), (other, mine), ("default", other), ("default", NAMESPACE)):
                told = told_of(cluster, mine, source, project, to)
                assert told.startswith("UnknownError: application 'tried'")
                assert f"is not allowed to use project {project}:" in told
        for cluster, mine, _ in both:
            assert [one.name for one in cluster.list("ConfigMap", mine) if one.name == "models"] == []


def test_no_learner_makes_or_changes_a_project(hers, ann, ben):
    places = [*ann.learner.followed_namespaces, *ben.learner.followed_namespaces, "apart-scratch", "maas", "default"]
    for place in places:
        body = own_project(MANIFESTS, place)
        body["spec"]["destinations"][0]["namespace"] = "*"
        with pytest.raises(NotAllowed):
            hers.cluster.apply(body, force=True)
        with pytest.raises(NotAllowed):
            hers.cluster.delete(f"appproject/{place}", HOME)
        with pytest.raises(NotAllowed):
            hers.cluster.api.connection.call(
                "POST", f"/apis/argoproj.io/v1alpha1/namespaces/{HOME}/appprojects", body=body
            )


@needs_git
def test_who_has_no_project_is_told_what_to_ask_for_and_goes_on_with_it(hers, stack, following):
    platform = following(hers.cluster, "apart-scratch")
    with pytest.raises(NotAllowed, match="no AppProject lets the namespace apart-scratch") as refused:
        platform.create()
    assert "project apart-scratch which does not exist; you may not make AppProjects" in refused.value.why
    stack.platform.cluster.apply(yaml.safe_load(refused.value.hint.partition("\n")[2]))
    platform.create()
    assert [row.sync for row in platform.wait()] == ["Synced"] * 2
    stack.platform.cluster.delete("appproject/apart-scratch", HOME)
    (platform.overlay("models") / "more.yaml").write_text("a: 1\n")
    with pytest.raises(NotAllowed, match="no AppProject lets the namespace apart-scratch"):
        platform.wait(platform.commit("More"))
    platform.remove()


# The gateway


def test_a_key_calls_models_and_nothing_else(ann, ben, stack):
    """At LiteLLM 1.81.0 an owner's key may block the keys of others and read what everybody spent, if it may more."""
    theirs, days = ben.key.hash, {"start_date": "2026-01-01", "end_date": "2036-01-01"}
    asked = [
        *(("GET", path, {}) for path in ("/key/list", "/spend/keys", "/spend/users", "/spend/logs", "/spend/tags")),
        *(("GET", path, {}) for path in ("/user/list", "/global/spend", "/global/spend/keys", "/health")),
        *(("GET", path, {"params": days}) for path in ("/user/daily/activity", "/spend/logs/v2", "/global/activity")),
        ("GET", "/key/info", {"params": {"key": theirs}}),
        ("GET", "/user/info", {"params": {"user_id": "apart-02"}}),
        ("POST", "/key/generate", {"json": {"max_budget": 1000}}),
        ("POST", "/key/delete", {"json": {"keys": [theirs]}}),
        *(("POST", f"/key/{verb}", {"json": {"key": theirs}}) for verb in ("block", "unblock")),
        *(("POST", "/key/update", {"json": {"key": one, "max_budget": 1000}}) for one in (theirs, ann.key.hash)),
        ("POST", "/user/update", {"json": {"user_id": "apart-01", "max_budget": 1000}}),
        ("POST", "/user/new", {"json": {"user_id": "more"}}),
    ]
    headers = {"Authorization": f"Bearer {ann.key.reveal()}"}
    with httpx.Client(base_url=stack.gateway.url, headers=headers, trust_env=False) as http:
        answers = {(method, path): http.request(method, path, **more).status_code for method, path, more in asked}
    assert {place: status for place, status in answers.items() if status not in (401, 403)} == {}
    assert stack.gateway.available_models(ben.key) == [stack.model]


def test_a_learners_own_gateway_is_their_key(hers, ben):
    with pytest.raises(InvalidKey, match="calls models, and does no more") as listed:
        hers.gateway.keys()
    with pytest.raises(InvalidKey) as looked:
        hers.gateway.key_info(ben.key)
    with pytest.raises(LoginFailed) as entered:
        hers.login("accountant")
    for told in (listed, looked, entered):
        assert "--accountants" in told.value.hint
        assert "./lab up" in told.value.hint


def test_the_doctor_finds_nothing_wrong_with_a_learners_place(hers):
    assert [one.topic for one in hers.doctor() if not one.ok] == []


# The portal


def test_the_portal_shows_each_their_own_and_lets_nobody_raise_their_cap(hers, ben, stack):
    with hers.login() as hers_, stack.platform.login(ben.row["login"], ben.row["password"]) as his:
        application = his.create_application("Ben's", [stack.model])
        listed = hers_.keys()
        assert "Ben's" not in [key.name for key in listed]
        row = his.key(application)
        for call in (hers_.reveal_key, hers_.rotate_key, hers_.block_key):
            with pytest.raises(NoSuchEntry):
                call(row)
        hers_.delete_key(row)  # of hers, none is there: fine
        with pytest.raises(RoleMissing):
            hers_.admin.users()
        with pytest.raises(RoleMissing):
            hers_.admin.cap_user(hers_.me, max_budget=1000)
        assert his.key(application).active
        his.delete_application("Ben's")
    with pytest.raises(LoginFailed):
        hers.login(ben.row["login"])


def test_a_key_of_the_portal_calls_models_and_nothing_else(hers, ben, stack):
    with hers.login() as portal:
        key = portal.create_application("Ann's", [stack.model]).key
        headers = {"Authorization": f"Bearer {key.reveal()}"}
        body = {"key": ben.key.hash}
        answer = httpx.post(f"{stack.gateway.url}/key/block", headers=headers, json=body, trust_env=False)
        portal.delete_application("Ann's")
    assert answer.status_code == 403
    assert stack.gateway.available_models(ben.key) == [stack.model]


def test_a_spent_budget_stops_its_owner_and_nobody_else(ann, ben, stack):
    """Whichever of his keys Ben takes."""

    def ask(key: ApiKey, times: int = 1) -> None:
        message = {"role": "user", "content": "Count to twenty."}
        with openai_client(stack.url, key) as client:
            for _ in range(times):
                client.chat.completions.create(model=stack.model, messages=[message], max_tokens=32)

    with stack.platform.login(ben.row["login"], ben.row["password"]) as portal:
        another = portal.create_application("More", [stack.model]).key
    for key in (ben.key, another):
        with expect(BudgetExceeded):
            ask(key, times=10)
    ask(ann.key)


# The end


def test_what_was_given_to_one_person_is_not_given_to_another(stack, out, tmp_path):
    (tmp_path / "users").write_text("apart-02\napart-01\n")
    (tmp_path / "class").mkdir(mode=0o700)
    with pytest.raises(UsageError, match="apart-01 is apart-01 already, not apart-02"):
        classroom.create(COURSE, 2, WISHES, tmp_path / "class", tmp_path / "users")
    assert list((tmp_path / "class").iterdir()) == []


def can_administer(lab: Lab) -> bool:
    try:
        lab.gateway.users()
    except InvalidKey:
        return False
    return True


def test_accountants_have_the_gateways_administration_until_they_are_none(ann, out, stack, tmp_path):
    tmp_path.chmod(0o700)
    for accountants in (True, False):
        classroom.create(COURSE, 2, replace(WISHES, accountants=accountants), tmp_path)
        with contextlib.closing(connect(ann.kubeconfig)) as lab:
            assert can_administer(lab) == accountants


def test_people_of_the_organisation_are_capped_after_their_first_login(stack, tmp_path):
    """The cluster's login has known Ida before the class, so that nobody makes her a password."""
    password, accounts = new_password(), Accounts(stack.platform.cluster, stack.platform.facts[FACT])
    accounts.add({"ida": password}, {})
    tmp_path.chmod(0o700)
    (tmp_path / "users").write_text("ida\n")

    def create() -> str:
        return "\n".join(classroom.create("known", 1, WISHES, tmp_path, tmp_path / "users"))

    try:
        assert "Not capped at the portal yet: ida." in create()
        [row] = csv.DictReader((tmp_path / "credentials.csv").read_text().splitlines())
        with Cluster(tmp_path / row["kubeconfig"]) as hers:
            portal = Platform(hers, NAMESPACE).login("consumer", password.reveal())
        with portal:
            assert portal.me.name == "ida"
            assert portal.budget().max_budget != 0.2
            assert "Not capped" not in create()
            assert portal.budget().max_budget == 0.2
            owner = stack.gateway.key_info(ApiKey(row["key"])).user
            assert owner == portal.me.id, "what the key of the class spends counts against the cap, too"
    finally:
        classroom.delete("known")
        accounts.remove({"ida": password})


def test_a_larger_class_keeps_the_first_learners_and_the_end_leaves_nothing(out, stack, tmp_path):
    tmp_path.chmod(0o700)
    classroom.create(COURSE, 3, WISHES, tmp_path)
    first, larger = people(out), people(tmp_path)
    assert [one.row for one in larger[:2]] == [one.row for one in first]
    told = "\n".join(classroom.create(COURSE, 2, WISHES, out))
    assert "apart-03 is in this class, too" in told
    assert "./lab class create 3 --name apart" in told
    assert [row.learner for row in classroom.overview(COURSE)] == ["apart-01", "apart-02", "apart-03"]
    cluster, platform = stack.platform.cluster, Platform(stack.platform.cluster, NAMESPACE)
    projects = {one.name for one in cluster.list("AppProject", HOME, selector=f"maas-lab/class={COURSE}")}
    classroom.delete(COURSE)
    assert classroom.overview(COURSE) == []
    selector, version = f"maas-lab/class={COURSE}", f"{RBAC}/v1"
    assert [one.name for one in cluster.list("Namespace") if "apart" in one.name] == []
    followed = {place for one in larger for place in one.learner.followed_namespaces}
    assert projects == followed
    assert followed & {one.name for one in cluster.list("AppProject", HOME)} == set()
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert cluster.list(kind, "*", selector=selector, api_version=version) == []
    listed = stack.gateway.keys()
    assert [key.name for key in listed if COURSE in key.name or key.application == COURSE] == []
    for one in larger:
        with pytest.raises(InvalidKey):
            stack.gateway.available_models(one.key)
        with pytest.raises(LoginFailed):
            platform.login(one.row["login"], one.row["password"])
        with Cluster(one.kubeconfig) as his, pytest.raises(NotLoggedIn):
            his.pods()
    with pytest.raises(NotFound, match="no class"):
        classroom.delete(COURSE)
