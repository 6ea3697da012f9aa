"""Applications follow their repositories: on a store in memory, with real repositories and all controllers."""

import itertools
import shutil
from pathlib import Path

import pytest

from maas_lab import manifests
from maas_lab.applications import own_project
from maas_lab.local.gitops import spec
from maas_lab.local.gitops.identity import APPLICATION, HOME, PROJECT, TRACKING
from maas_lab.local.gitops.projects import Project
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.rules import Rules
from maas_lab.local.runtime import install
from tests.gitops_lab import NAMESPACE, Cluster, Repo, conditions, config_map, deployment, library, state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ROOT = Path(__file__).parents[1]
AUTO = {"automated": {}}
WHOLE = {"automated": {"prune": True, "selfHeal": True}}
NO_RETRY = {"retry": {"limit": 0}}
BOTH = "resources: [a.yaml, web.yaml]\n"
FINALIZER = "resources-finalizer.argocd.argoproj.io"


@pytest.fixture(scope="module")
def render(runtime):
    install(runtime.folder, lambda text, done, total: None, ["git"])
    library(runtime)
    from maas_lab.local.gitops import rendering

    return lambda request: rendering.written(rendering.answer(request))


@pytest.fixture
def cluster(schemas, render):
    return Cluster(Rules(schemas), render)


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "repo")


def kept(cluster, name="a"):
    return (cluster.get("ConfigMap", name) or {}).get("data", {}).get("k")


# Comparing


def test_an_application_that_does_not_sync_by_itself_tells_what_differs(cluster, repo):
    commit = repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    app = cluster.follow(repo)
    assert state(app) == ("OutOfSync", "Missing")
    told = app["status"]
    assert told["sync"]["revision"] == commit
    assert told["sync"]["comparedTo"] == {"source": app["spec"]["source"], "destination": app["spec"]["destination"]}
    assert (told["sourceType"], told["controllerNamespace"]) == ("Directory", HOME)
    assert [(one["kind"], one["name"], one["status"], one["health"]["status"]) for one in told["resources"]] == [
        ("ConfigMap", "a", "OutOfSync", "Missing"),
        ("Deployment", "web", "OutOfSync", "Missing"),
    ]
    assert "operationState" not in told
    assert kept(cluster) is None


def test_a_sync_by_hand_brings_the_cluster_to_what_git_says(cluster, repo):
    commit = repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    cluster.follow(repo)
    app = cluster.sync()
    assert state(app) == ("Synced", "Healthy")
    assert "operation" not in app
    done = app["status"]["operationState"]
    assert (done["phase"], done["message"]) == ("Succeeded", "successfully synced (all tasks run)")
    assert done["operation"]["initiatedBy"] == {"username": "alice"}
    assert done["startedAt"] <= done["finishedAt"]
    assert done["syncResult"]["revision"] == commit
    assert [(one["name"], one["status"], one["message"]) for one in done["syncResult"]["resources"]] == [
        ("a", "Synced", "configmap/a serverside-applied"),
        ("web", "Synced", "deployment.apps/web serverside-applied"),
    ]
    assert [(one["id"], one["revision"]) for one in app["status"]["history"]] == [(0, commit)]
    assert app["status"]["summary"]["images"] == ["web:1"]
    made = cluster.deployment("web")
    assert made["metadata"]["annotations"][TRACKING] == f"a:apps/Deployment:{NAMESPACE}/web"
    assert [one["manager"] for one in made["metadata"]["managedFields"] if one["operation"] == "Apply"] == [
        "argocd-controller"
    ]
    reasons = [reason for reason, _ in cluster.events()]
    assert reasons.count("OperationStarted") == reasons.count("OperationCompleted") == 1


def test_a_commit_is_seen_and_synced_by_itself(cluster, repo):
    repo.commit(app__a_y=config_map("a", "1"))
    cluster.follow(repo, policy=AUTO)
    assert kept(cluster) == "1"
    commit = repo.commit(app__a_y=config_map("a", "2"))
    cluster.run(1)
    app = cluster.app()
    assert (kept(cluster), state(app), app["status"]["sync"]["revision"]) == ("2", ("Synced", "Healthy"), commit)
    assert app["status"]["operationState"]["operation"]["initiatedBy"] == {"automated": True}
    assert [one["id"] for one in app["status"]["history"]] == [0, 1]


def test_branch_tag_and_commit_are_followed(cluster, repo):
    first = repo.commit(app__a_y=config_map("a", "1"))
    repo.git("tag", "prod")
    second = repo.commit(app__a_y=config_map("a", "2"))
    cluster.follow(repo, revision="prod", policy=AUTO)
    assert kept(cluster) == "1"
    repo.git("tag", "-f", "prod")
    cluster.run(1)
    assert (kept(cluster), cluster.app()["status"]["sync"]["revision"]) == ("2", second)
    app = cluster.app()
    source = {**app["spec"]["source"], "targetRevision": first[:10]}
    cluster.change(spec={**app["spec"], "source": source})
    assert (kept(cluster), cluster.app()["status"]["sync"]["revision"]) == ("1", first)
    assert cluster.follow(f"file://{repo.folder}", "b", revision="HEAD")["status"]["sync"]["revision"] == second


def test_a_range_of_versions_follows_the_newest_tag_in_it(cluster, repo):
    first = repo.commit(app__a_y=config_map("a", "1"))
    repo.git("tag", "v1.0.0")
    cluster.follow(repo, revision=">=1.0.0 <2.0.0", policy=AUTO)
    assert (kept(cluster), cluster.app()["status"]["sync"]["revision"]) == ("1", first)
    second = repo.commit(app__a_y=config_map("a", "2"))
    repo.git("tag", "-a", "-m", "told", "1.10.0")
    repo.git("tag", "1.9.0", first)
    repo.git("tag", "2.0.0-rc.1", first)
    cluster.run(1)
    assert (kept(cluster), cluster.app()["status"]["sync"]["revision"]) == ("2", second)
    repo.git("pack-refs", "--all")
    repo.git("tag", "-d", "1.10.0")
    cluster.run(1)
    assert kept(cluster) == "1"
    app = cluster.app()
    app = cluster.change(spec={**app["spec"], "source": {**app["spec"]["source"], "targetRevision": "^3"}})
    assert "unable to resolve '^3' to a commit SHA: no tag in" in conditions(app)["ComparisonError"]


def test_options_for_kustomize_are_written_into_what_git_says(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"), app__kustomization_y=BOTH)
    options = {"namePrefix": "my-", "images": ["web:2"], "replicas": [{"name": "web", "count": 2}]}
    app = cluster.follow(repo, policy=WHOLE, source={"kustomize": {**options, "commonLabels": {"team": "b"}}})
    assert (state(app), app["status"]["summary"]["images"]) == (("Synced", "Healthy"), ["web:2"])
    made = cluster.deployment("my-web")
    assert (made["spec"]["replicas"], made["spec"]["selector"]["matchLabels"]["team"], kept(cluster, "my-a")) == (
        2,
        "b",
        "1",
    )
    repo.commit(app__kustomization_y=None)
    cluster.run()
    assert "holds no kustomization.yaml" in conditions(cluster.app())["ComparisonError"]


def test_nothing_is_written_and_nothing_read_while_nothing_changes(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    cluster.follow(repo, policy=WHOLE)
    version, asked = cluster.objects.store.version, len(cluster.rendered)
    cluster.run(120)
    assert (cluster.objects.store.version, len(cluster.rendered)) == (version, asked)


def test_a_restart_finds_everything_as_it_was(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    before = cluster.follow(repo, policy=WHOLE)
    cluster.restart()
    cluster.run()
    assert cluster.app() == before
    cluster.delete("ConfigMap", "a")
    cluster.run(1)
    assert kept(cluster) == "1"


def test_refresh_reads_again_and_is_answered(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.follow(repo, policy=AUTO)
    asked, before = len(cluster.rendered), cluster.app()["status"]["reconciledAt"]
    for how, more in (("normal", 0), ("hard", 1)):
        cluster.annotate(refresh=how)
        cluster.run(1)
        app = cluster.app()
        assert "argocd.argoproj.io/refresh" not in app["metadata"].get("annotations", {})
        assert app["status"]["reconciledAt"] > before
        assert len(cluster.rendered) == asked + more


# A commit that is wrong


def test_a_broken_commit_leaves_what_runs_and_says_what_is_wrong(cluster, repo):
    repo.commit(app__a_y=config_map("a", "1"), app__web_y=deployment("web"))
    cluster.follow(repo, policy=WHOLE)
    web, operation = cluster.deployment("web"), cluster.app()["status"]["operationState"]
    broken = repo.commit(app__a_y=config_map("a", "2") + "  k: 'again'\n", app__web_y=None)
    cluster.run()
    app = cluster.app()
    assert state(app) == ("Unknown", "Healthy")
    assert "revision" not in app["status"]["sync"]
    told = conditions(app)["ComparisonError"]
    assert told.startswith(f"Failed to load target state: failed to generate manifest {broken[:7]}: app/a.yaml, line 7")
    assert {one["status"] for one in app["status"]["resources"]} == {"Unknown"}
    assert (kept(cluster), cluster.deployment("web")) == ("1", web)
    assert app["status"]["operationState"] == operation
    repo.git("revert", "--no-edit", broken)
    cluster.run(1)
    assert (state(cluster.app()), conditions(cluster.app())) == (("Synced", "Healthy"), {})


def test_what_the_api_refuses_fails_before_anything_is_applied(cluster, repo):
    repo.commit(app__a_y=config_map("a", "1"), app__web_y=deployment("web"))
    cluster.follow(repo, policy={**WHOLE, **NO_RETRY})
    broken = repo.commit(
        app__a_y=config_map("a", "2"), app__web_y=deployment("web").replace("replicas: 1", "replica: 2")
    )
    cluster.run()
    app = cluster.app()
    done = app["status"]["operationState"]
    assert done["phase"] == "Failed"
    assert "one or more objects failed to apply (dry run)" in done["message"]
    assert 'unknown field "spec.replica"' in done["message"]
    assert [(one["name"], one["status"]) for one in done["syncResult"]["resources"]] == [("web", "SyncFailed")]
    assert conditions(app)["SyncError"].startswith(f"Failed last sync attempt to {broken}: ")
    assert kept(cluster) == "1"
    repo.commit(app__web_y=deployment("web", replicas=2))
    cluster.run()
    assert (state(cluster.app()), kept(cluster)) == (("Synced", "Healthy"), "2")
    assert conditions(cluster.app()) == {}


def test_a_sync_that_failed_is_tried_again_with_growing_pauses(cluster, repo):
    retry = {"limit": 2, "backoff": {"duration": "10s", "factor": 3, "maxDuration": "1m"}}
    repo.commit(app__a_y=config_map("a") + "immutabel: true\n")
    app = cluster.follow(repo, policy={**AUTO, "retry": retry})
    seen = []
    for _ in range(100):
        told = app["status"]["operationState"]
        if not seen or told["message"] != seen[-1][1]:
            seen.append((told["phase"], told["message"], told.get("retryCount"), cluster.at))
        cluster.settle(0.5)
        app = cluster.app()
    assert [(phase, count) for phase, _, count, _ in seen] == [("Running", 1), ("Running", 2), ("Failed", 2)]
    assert "Retrying attempt #1 at " in seen[0][1]
    assert seen[-1][1].endswith("(retried 2 times).")
    pauses = [(later[3] - earlier[3]).total_seconds() for earlier, later in itertools.pairwise(seen)]
    assert pauses == pytest.approx([8.5, 30], abs=1)  # of the first ten seconds some had passed
    assert "operation" not in app


def test_a_retry_takes_the_newest_commit_where_it_may(cluster, repo):
    retry = {"limit": 5, "refresh": True, "backoff": {"duration": "5s"}}
    repo.commit(app__a_y=config_map("a") + "immutabel: true\n")
    cluster.follow(repo, policy={**AUTO, "retry": retry})
    good = repo.commit(app__a_y=config_map("a", "2"))
    cluster.run(7)
    assert (kept(cluster), cluster.app()["status"]["operationState"]["syncResult"]["revision"]) == ("2", good)
    assert state(cluster.app()) == ("Synced", "Healthy")


HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
STRANGE = [
    (HEAD + "  annotations: [x]\n", "metadata.annotations are not all text"),
    (HEAD + "  annotations:\n    argocd.argoproj.io/sync-wave: 1\n", "metadata.annotations are not all text"),
    (HEAD + "  annotations:\n    argocd.argoproj.io/sync-wave: ²\n", ""),
    (HEAD + "  namespace: 5\n", "metadata.namespace is no text"),
    (HEAD + "data:\n  k: .nan\n", "that JSON has not"),
    (HEAD + 'data:\n  k: "\\ud800"\n', "invalid Unicode character"),
    (HEAD + "data: " + "{a: " * 70 + "1" + "}" * 70 + "\n", "nested more than 64 deep"),
    (HEAD + "  labels: [x]\n", "cannot unmarshal"),
    (HEAD + "  labels:\n    'no key': x\n", "metadata.labels: Invalid value"),
    (HEAD + "  managedFields: [{manager: x}]\n", "managedFields must be nil"),
    (HEAD + "  uid: mine\n", "the object has been modified"),
    (HEAD + "  ownerReferences: [{}]\n", 'omits key field "uid"'),
    (HEAD + "  finalizers: ['no path']\n", "metadata.finalizers"),
    (HEAD.replace("name: a", "name: A/b"), "metadata.name: Invalid value"),
    (HEAD.replace("v1", "v1/v2/v3"), "The cluster does not know"),
    (HEAD.replace("ConfigMap", "List"), "The cluster does not know"),
    (HEAD.replace("v1", "apps/v1").replace("ConfigMap", "Deployment") + "spec: 3\n", "cannot unmarshal"),
    (HEAD.replace("v1", "apps/v1").replace("ConfigMap", "Deployment") + "spec: {}\n", "spec.selector: Required value"),
    (HEAD.replace("ConfigMap", "Namespace").replace("name: a", "name: o1"), ""),
]


@pytest.mark.parametrize(("text", "told"), STRANGE, ids=range(len(STRANGE)))
def test_nothing_in_git_brings_the_controller_to_a_fall(cluster, repo, caplog, text, told):
    repo.commit(app__a_y=text, app__fine_y=config_map("fine"))
    app = cluster.follow(repo, policy={**WHOLE, **NO_RETRY})
    done = app["status"].get("operationState") or {}
    assert told in (conditions(app).get("ComparisonError") or done.get("message"))
    assert (kept(cluster, "fine") is None) == bool(told)
    assert not caplog.records


def test_endless_pauses_have_an_end():
    endless = {"duration": "9h", "factor": 10**18, "maxDuration": "99999999999999h"}
    assert spec.retry({"limit": -1, "backoff": endless}).pause_s(10**6) == 86400


# Pruning and healing


def test_what_leaves_git_leaves_the_cluster_only_where_it_may(cluster, repo):
    repo.commit(
        app__a_y=config_map("a"), app__b_y=config_map("b"), app__c_y=config_map("c", sync_options="Prune=false")
    )
    cluster.follow(repo, policy=AUTO)
    repo.commit(app__b_y=None, app__c_y=None)
    cluster.run()
    app = cluster.app()
    assert app["status"]["sync"]["status"] == "OutOfSync"
    assert [one["name"] for one in app["status"]["resources"] if one.get("requiresPruning")] == ["b", "c"]
    assert cluster.get("ConfigMap", "b")
    app = cluster.sync()
    told = {
        one["name"]: (one["status"], one["message"])
        for one in app["status"]["operationState"]["syncResult"]["resources"]
    }
    assert told["b"] == ("PruneSkipped", "ignored (requires pruning)")
    app = cluster.sync(prune=True)
    told = {
        one["name"]: (one["status"], one["message"])
        for one in app["status"]["operationState"]["syncResult"]["resources"]
    }
    assert (told["b"], told["c"]) == (("Pruned", "pruned"), ("PruneSkipped", "ignored (no prune)"))
    assert (cluster.get("ConfigMap", "b"), bool(cluster.get("ConfigMap", "c"))) == (None, True)


def test_an_empty_folder_does_not_wipe_everything_out(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__README="here")
    cluster.follow(repo, policy=WHOLE)
    repo.commit(app__a_y=None)
    cluster.run()
    assert "auto-sync will wipe out all resources" in conditions(cluster.app())["SyncError"]
    assert kept(cluster) == "1"
    app = cluster.app()
    allowed = {"automated": {"prune": True, "allowEmpty": True}}
    cluster.change(spec={**app["spec"], "syncPolicy": allowed})
    assert (kept(cluster), state(cluster.app())) == (None, ("Synced", "Healthy"))


def test_what_is_deleted_or_changed_by_hand_comes_back(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    cluster.follow(repo, policy=WHOLE)
    cluster.delete("Deployment", "web", "apps/v1")
    cluster.settle()
    assert cluster.deployment("web")
    told = cluster.app()["status"]["operationState"]["operation"]["sync"]
    assert told["resources"] == [{"group": "apps", "kind": "Deployment", "name": "web", "namespace": NAMESPACE}]
    assert told["autoHealAttemptsCount"] == 1
    assert len(cluster.app()["status"]["history"]) == 1  # healing is no deployment
    mine = cluster.get("ConfigMap", "a")
    cluster.client.update(of("v1", "ConfigMap"), {**mine, "data": {"k": "mine", "more": "stays"}})
    cluster.settle()
    assert kept(cluster) == "mine"  # a second time so soon, it waits a little
    cluster.run(3)
    assert cluster.get("ConfigMap", "a")["data"] == {"k": "1", "more": "stays"}
    assert state(cluster.app()) == ("Synced", "Healthy")


def test_without_self_heal_a_change_by_hand_is_told_and_stays(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.follow(repo, policy=AUTO)
    mine = cluster.get("ConfigMap", "a")
    cluster.client.update(of("v1", "ConfigMap"), {**mine, "data": {"k": "mine"}})
    cluster.run(5)
    assert (kept(cluster), state(cluster.app())) == ("mine", ("OutOfSync", "Healthy"))


@pytest.mark.parametrize(
    "rule",
    [{"jsonPointers": ["/spec/replicas"]}, {"managedFieldsManagers": ["test"]}],
    ids=["pointer", "manager"],
)
def test_fields_that_others_own_are_let_alone(cluster, repo, rule):
    repo.commit(app__web_y=deployment("web", replicas=1))
    rules = [{"group": "apps", "kind": "Deployment", **rule}]
    policy = {**WHOLE, "syncOptions": ["RespectIgnoreDifferences=true"]}
    cluster.follow(repo, policy=policy, ignoreDifferences=rules)
    web = cluster.deployment("web")
    cluster.client.update(of("apps/v1", "Deployment"), {**web, "spec": {**web["spec"], "replicas": 3}})
    cluster.run(5)
    assert (cluster.deployment("web")["spec"]["replicas"], state(cluster.app())) == (3, ("Synced", "Healthy"))
    repo.commit(app__web_y=deployment("web", "web:2", replicas=1))
    cluster.run(5)
    spec_ = cluster.deployment("web")["spec"]
    assert (spec_["replicas"], spec_["template"]["spec"]["containers"][0]["image"]) == (3, "web:2")
    assert state(cluster.app()) == ("Synced", "Healthy")


@pytest.mark.parametrize("end", ["k:{", "v:", "²", "99", "0"])
def test_a_json_pointer_to_nothing_ignores_nothing(cluster, repo, caplog, end):
    repo.commit(app__web_y=deployment("web"))
    rules = [{"group": "apps", "kind": "Deployment", "jsonPointers": [f"/spec/template/spec/containers/{end}/args"]}]
    policy = {**WHOLE, "syncOptions": ["RespectIgnoreDifferences=true"]}
    cluster.follow(repo, policy=policy, ignoreDifferences=rules)
    repo.commit(app__web_y=deployment("web", "web:2"))
    cluster.run(5)
    image = cluster.deployment("web")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert (image, state(cluster.app())) == ("web:2", ("Synced", "Healthy"))
    assert not caplog.records


# Waves and health


def test_a_wave_waits_for_the_one_before_it(cluster, repo):
    cluster.broken.add("db:0")
    repo.commit(
        app__db_y=deployment("db", "db:0", wave=-1), app__gate_y=deployment("gate", wave=1), app__a_y=config_map("a")
    )
    cluster.follow(repo, policy=WHOLE)
    app = cluster.app()
    told = app["status"]["operationState"]
    assert (told["phase"], told["message"]) == ("Running", "waiting for healthy state of apps/Deployment/db")
    assert (kept(cluster), cluster.deployment("gate")) == (None, None)
    assert state(app) == ("OutOfSync", "Missing")
    assert app["operation"]
    cluster.broken.clear()
    cluster.run()
    app = cluster.app()
    assert (kept(cluster), state(app)) == ("1", ("Synced", "Healthy"))
    assert [one["name"] for one in app["status"]["operationState"]["syncResult"]["resources"]] == ["db", "a", "gate"]
    assert {one["name"]: one.get("syncWave") for one in app["status"]["resources"]} == {"a": None, "db": -1, "gate": 1}


def test_waiting_goes_on_after_a_restart_and_can_be_terminated(cluster, repo):
    cluster.broken.add("db:0")
    repo.commit(app__db_y=deployment("db", "db:0"), app__gate_y=deployment("gate", wave=1))
    cluster.follow(repo, policy=WHOLE)
    cluster.restart()
    cluster.run()
    app = cluster.app()
    assert app["status"]["operationState"]["message"] == "waiting for healthy state of apps/Deployment/db"
    running = {**app["status"]["operationState"], "phase": "Terminating"}
    app = cluster.change(status={**app["status"], "operationState": running})
    assert (app["status"]["operationState"]["phase"], app["status"]["operationState"]["message"]) == (
        "Failed",
        "Operation terminated",
    )
    assert cluster.deployment("gate") is None


def test_a_wave_that_degrades_ends_the_sync(cluster, repo):
    cluster.broken.add("db:0")
    quick = deployment("db", "db:0").replace("  replicas: 1", "  replicas: 1\n  progressDeadlineSeconds: 5")
    repo.commit(app__db_y=quick, app__gate_y=deployment("gate", wave=1))
    cluster.follow(repo, policy={**WHOLE, **NO_RETRY})
    cluster.run(10)
    app = cluster.app()
    done = app["status"]["operationState"]
    assert (done["phase"], state(app)) == ("Failed", ("OutOfSync", "Degraded"))
    assert done["message"].endswith('reason: Deployment "db" exceeded its progress deadline')
    assert cluster.deployment("gate") is None


def test_pruning_goes_the_other_way_round(cluster, repo):
    files = {f"app__w{wave}_y": config_map(f"w{wave}", sync_wave=str(wave)) for wave in range(3)}
    repo.commit(app__stays_y=config_map("stays"), **files)
    cluster.follow(repo, policy=WHOLE)
    repo.commit(**dict.fromkeys(files))
    cluster.run()
    done = cluster.app()["status"]["operationState"]["syncResult"]["resources"]
    assert [one["name"] for one in done if one["status"] == "Pruned"] == ["w2", "w1", "w0"]
    assert {one["hookPhase"] for one in done if one["status"] == "Pruned"} <= {"Succeeded", "Running"}


def test_health_is_that_of_the_pods(cluster, repo):
    cluster.broken.add("web:bad")
    repo.commit(app__web_y=deployment("web"))
    cluster.follow(repo, policy=WHOLE)
    repo.commit(app__web_y=deployment("web", "web:bad"))
    cluster.run()
    app = cluster.app()
    assert state(app) == ("Synced", "Progressing")
    [web] = app["status"]["resources"]
    assert web["health"]["message"].startswith("Waiting for rollout to finish: 1 old replicas are pending")
    repo.git("revert", "--no-edit", "HEAD")
    cluster.run()
    assert state(cluster.app()) == ("Synced", "Healthy")


def test_the_platforms_own_applications_fit_the_kinds_and_the_controller(schemas, kind_of):
    objects = manifests.render(ROOT / "manifests" / "gitops")
    assert [one["kind"] for one in objects] == ["AppProject", "Application", "Application"]
    for one in objects:
        assert schemas.decode(kind_of(one["kind"]), one, "Strict")[0] == one
    project = Project(objects[0])
    for app in objects[1:]:
        [(_, problem)] = spec.problems(app, project)
        assert "reads Git repositories of this machine" in problem  # all else can be done here


def test_the_platforms_own_project_lets_the_local_platform_through(cluster, repo):
    shutil.copytree(ROOT / "manifests", repo.folder / "manifests")
    repo.commit()
    project, *apps = manifests.render(ROOT / "manifests" / "gitops")
    project["spec"]["sourceRepos"] = [str(repo.folder)]
    cluster.client.create(PROJECT, project)
    cluster.client.create(of("v1", "Namespace"), {"metadata": {"name": "maas-system"}})
    for app in apps:
        part = app["metadata"]["name"].removeprefix("maas-")
        source = {"path": f"manifests/{part}/overlays/local", "repoURL": str(repo.folder), "targetRevision": "main"}
        cluster.client.create(APPLICATION, {**app, "spec": {**app["spec"], "source": source}})
    cluster.run()
    told = cluster.app("maas-infrastructure")["status"]
    assert told["operationState"]["message"] == "waiting for healthy state of apps/StatefulSet/postgres"
    assert "conditions" not in told
    assert state(cluster.app("maas-models"))[0] == "Synced"


# Projects, places and what is not supported


def limits(repo, **more):
    spec_ = {
        "sourceRepos": [str(repo.folder)],
        "destinations": [{"server": "https://kubernetes.default.svc", "namespace": NAMESPACE}],
        "namespaceResourceWhitelist": [{"group": "", "kind": "ConfigMap"}],
    }
    return {**spec_, **more}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"sourceRepos": ["/elsewhere/*"]}, "is not permitted in project 'p'"),
        ({"sourceRepos": ["*", "!*repo"]}, "is not permitted in project 'p'"),
        ({"syncWindows": [{"kind": "deny"}]}, "syncWindows of project p are not supported"),
        ({"destinations": []}, "do not match any of the allowed destinations in project 'p'"),
        ({"destinations": [{"server": "*", "namespace": "o2"}]}, "do not match any of the allowed destinations"),
        (
            {"destinations": [{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!o*"}]},
            "do not match any of the allowed destinations",
        ),
    ],
)
def test_a_project_says_where_from_and_where_to(cluster, repo, more, told):
    repo.commit(app__a_y=config_map("a"))
    cluster.project(**limits(repo, **more))
    app = cluster.follow(repo, project="p", policy=WHOLE)
    assert (state(app), kept(cluster)) == (("Unknown", "Unknown"), None)
    assert told in conditions(app)["InvalidSpecError"]


def test_a_project_says_which_kinds(cluster, repo):
    repo.commit(app__a_y=config_map("a"), app__web_y=deployment("web"))
    cluster.project(**limits(repo))
    app = cluster.follow(repo, project="p", policy={**WHOLE, **NO_RETRY})
    done = app["status"]["operationState"]
    assert (done["phase"], kept(cluster)) == ("Failed", None)
    assert "resource apps:Deployment is not permitted in project p" in done["message"]
    assert {one["kind"]: one["status"] for one in app["status"]["resources"]} == {
        "ConfigMap": "OutOfSync",
        "Deployment": "Unknown",
    }
    repo.commit(app__web_y="apiVersion: v1\nkind: Namespace\nmetadata:\n  name: mine\n")
    cluster.run()
    assert "resource :Namespace is not permitted" in cluster.app()["status"]["operationState"]["message"]
    repo.commit(app__web_y=config_map("b").replace("name: b", "name: b\n  namespace: default"))
    cluster.run()
    assert "namespace default is not permitted" in cluster.app()["status"]["operationState"]["message"]
    repo.commit(app__web_y=None)
    cluster.run()
    assert state(cluster.app()) == ("Synced", "Healthy")


def test_a_project_that_comes_later_is_noticed(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    app = cluster.follow(repo, project="p", policy=WHOLE)
    assert "project p which does not exist" in conditions(app)["InvalidSpecError"]
    cluster.project(**limits(repo))
    cluster.run(1)
    assert (state(cluster.app()), kept(cluster)) == (("Synced", "Healthy"), "1")


def test_applications_elsewhere_need_the_projects_consent(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.project(**limits(repo))
    cluster.project("q", **limits(repo, sourceNamespaces=["o*"]))
    app = cluster.follow(repo, project="p", policy=WHOLE, namespace=NAMESPACE)
    assert "is not allowed to use project p" in conditions(app)["UnknownError"]
    app = cluster.follow(repo, "c", policy=WHOLE, namespace=NAMESPACE)  # else it could do whatever the controller can
    assert "is not allowed to use project default" in conditions(app)["UnknownError"]
    app = cluster.follow(repo, "b", project="q", policy=WHOLE, namespace=NAMESPACE)
    assert (state(app), kept(cluster)) == (("Synced", "Healthy"), "1")
    assert cluster.get("ConfigMap", "a")["metadata"]["annotations"][TRACKING].startswith(f"{NAMESPACE}_b:")


def test_the_project_of_a_namespace_admits_and_reaches_no_other(cluster, repo):
    """As manifests/gitops-learners makes it for each learner."""
    repo.commit(app__a_y=config_map("a"), app__kustomization_y="resources: [a.yaml]\n")
    other = "o2"
    cluster.client.create(of("v1", "Namespace"), {"metadata": {"name": other}})
    for place in (NAMESPACE, other):
        cluster.client.create(PROJECT, own_project(ROOT / "manifests", place))

    def told(name, project, to, source=None):
        where = {"server": "https://kubernetes.default.svc", "namespace": to}
        more = {"destination": where, "source": source or {}}
        return cluster.follow(repo, name, project=project, namespace=NAMESPACE, policy={**WHOLE, **NO_RETRY}, **more)

    assert "in project 'o1'" in conditions(told("to-another", NAMESPACE, other))["InvalidSpecError"]
    assert "is not allowed to use project o2" in conditions(told("of-another", other, NAMESPACE))["UnknownError"]
    assert "is not allowed to use project o2" in conditions(told("both", other, other))["UnknownError"]
    moved = told("moved", NAMESPACE, NAMESPACE, {"kustomize": {"namespace": other}})
    assert "namespace o2 is not permitted" in moved["status"]["operationState"]["message"]
    assert cluster.client.get(of("v1", "ConfigMap"), other, "a") is None
    assert kept(cluster) is None
    assert (state(told("mine", NAMESPACE, NAMESPACE)), kept(cluster)) == (("Synced", "Healthy"), "1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": {"repoURL": "https://git.example.com/a.git"}}, "reads Git repositories of this machine: clone it"),
        ({"source": {"repoURL": "git@example.com:a.git"}}, "repository not accessible"),
        ({"source": {"repoURL": "relative/path"}}, "repository not accessible"),
        ({"source": {"path": "/etc"}}, "app path is absolute or leads out"),
        ({"source": {"path": "app/../../x"}}, "app path is absolute or leads out"),
        ({"source": {"helm": {"releaseName": "x"}}}, "spec.source.helm is not supported"),
        ({"source": {"kustomize": {"components": ["x"]}}}, "spec.source.kustomize.components is not supported"),
        ({"source": {"kustomize": {"images": ["a"]}}}, "spec.source.kustomize.images: 'a' changes nothing"),
        (
            {"source": {"kustomize": {"replicas": [{"name": "a", "count": "x"}]}}},
            "the count of a is 'x', and no number",
        ),
        (
            {"source": {"kustomize": {"patches": [{"target": {"labelSelector": "a"}}]}}},
            "labelSelector is not supported",
        ),
        (
            {"destination": {"server": "https://other:6443", "namespace": "o1"}},
            "there is no cluster https://other:6443",
        ),
        ({"policy": {"syncOptions": ["Replace=true"]}}, "sync option Replace is not supported"),
        ({"policy": {"retry": {"limit": 1, "backoff": {"duration": "5 s"}}}}, 'time: invalid duration "5 s"'),
        ({"ignoreDifferences": [{"kind": "*", "jqPathExpressions": [".a"]}]}, "jqPathExpressions are not supported"),
        ({"ignoreDifferences": [{"kind": "*", "jsonPointers": ["spec"]}]}, '"spec" is no JSON pointer to a field'),
    ],
)
def test_what_cannot_be_done_here_is_said_and_not_left_out(cluster, repo, change, told):
    repo.commit(app__a_y=config_map("a"))
    app = cluster.follow(repo, **change)
    assert state(app) == ("Unknown", "Unknown")
    assert told in conditions(app)["InvalidSpecError"]


def test_hooks_and_kinds_that_are_not_served_are_told(cluster, repo):
    repo.commit(app__a_y=config_map("a", hook="PreSync"))
    app = cluster.follow(repo, policy=WHOLE)
    assert "ConfigMap a is a hook" in conditions(app)["ComparisonError"]
    repo.commit(app__a_y=config_map("a"), app__job_y="apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: j\n")
    cluster.run()
    assert "The cluster does not know batch/CronJob" in cluster.app()["status"]["operationState"]["message"]
    assert kept(cluster) is None


@pytest.mark.parametrize(
    ("sync", "told"),
    [
        ({"source": {"repoURL": "/other"}}, "operation.sync.source is not supported"),
        ({"syncOptions": ["Replace=true"]}, "sync option Replace is not supported"),
        ({"syncStrategy": {"apply": {"force": True}}}, "force is not supported"),
    ],
)
def test_an_operation_that_cannot_be_done_here_ends_with_an_error(cluster, repo, sync, told):
    repo.commit(app__a_y=config_map("a"))
    cluster.follow(repo)
    done = cluster.sync(**sync)["status"]["operationState"]
    assert (done["phase"], told in done["message"], kept(cluster)) == ("Error", True, None)


def test_options_of_an_object_count_for_it_alone(cluster, repo):
    odd = config_map("a", sync_options="Validate=false") + "immutabel: true\n"
    repo.commit(app__a_y=odd)
    done = cluster.follow(repo, policy={**WHOLE, **NO_RETRY})["status"]["operationState"]
    assert "field not declared in schema" in done["message"]  # an apply on the server's side insists on known fields
    repo.commit(app__a_y=config_map("a"), app__b_y=config_map("b", sync_options="Replace=true"))
    cluster.run()
    assert "ConfigMap b: sync option Replace is not supported" in conditions(cluster.app())["ComparisonError"]


def test_an_application_may_hold_applications(cluster, repo):
    child = f"""apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: child
  namespace: {HOME}
spec:
  project: default
  source: {{repoURL: {repo.folder}, path: app, targetRevision: main}}
  destination: {{server: 'https://kubernetes.default.svc', namespace: {NAMESPACE}}}
  syncPolicy: {{automated: {{prune: true}}}}
"""
    repo.commit(app__a_y=config_map("a"), apps__child_y=child, apps__README="here")
    assert state(cluster.follow(repo, path="apps", policy=WHOLE)) == ("Synced", "Healthy")
    assert (state(cluster.app("child")), kept(cluster)) == (("Synced", "Healthy"), "1")
    cluster.delete("Application", "child", "argoproj.io/v1alpha1", HOME)
    cluster.run()
    assert state(cluster.app("child")) == ("Synced", "Healthy")
    version = cluster.objects.store.version
    cluster.run(30)
    assert cluster.objects.store.version == version


def test_a_namespace_that_cannot_be_made_ends_the_sync(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    there = {"server": "https://kubernetes.default.svc", "namespace": "No Name"}
    policy = {**WHOLE, **NO_RETRY, "syncOptions": ["CreateNamespace=true"]}
    done = cluster.follow(repo, policy=policy, destination=there)["status"]["operationState"]
    assert (done["phase"], "metadata.name" in done["message"]) == ("Failed", True)


def test_a_namespace_is_made_where_that_is_asked_for(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    there = {"server": "https://kubernetes.default.svc", "namespace": "new"}
    options = {**WHOLE, "syncOptions": ["CreateNamespace=true"], "managedNamespaceMetadata": {"labels": {"x": "y"}}}
    assert state(cluster.follow(repo, policy=options, destination=there)) == ("Synced", "Healthy")
    made = cluster.client.get(of("v1", "Namespace"), "", "new")
    assert made["metadata"]["labels"]["x"] == "y"


def test_objects_that_belong_to_nobody_are_told(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.project(**limits(repo, orphanedResources={"warn": True, "ignore": [{"kind": "ConfigMap", "name": "ok*"}]}))
    cluster.follow(repo, project="p", policy=WHOLE)
    assert conditions(cluster.app()) == {}
    body = {"metadata": {"name": "lost", "namespace": NAMESPACE}}
    cluster.client.create(of("v1", "ConfigMap"), body)
    cluster.client.create(of("v1", "ConfigMap"), {"metadata": {"name": "ok-1", "namespace": NAMESPACE}})
    cluster.client.create(of("v1", "Secret"), body)  # not a kind of this project
    cluster.run()
    assert (
        conditions(cluster.app())["OrphanedResourceWarning"] == "Application has 1 orphaned resources: ConfigMap/lost"
    )
    cluster.delete("ConfigMap", "lost")
    cluster.run()
    assert conditions(cluster.app()) == {}


def test_two_applications_with_one_object_are_told(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.follow(repo, policy=WHOLE)
    app = cluster.follow(repo, "b")
    assert conditions(app)["SharedResourceWarning"] == "ConfigMap/a is part of applications b and a"
    app = cluster.change("b", spec={**app["spec"], "syncPolicy": {"syncOptions": ["FailOnSharedResource=true"]}})
    app = cluster.sync("b")
    assert "part of application a" in app["status"]["operationState"]["message"]


# Deleting


@pytest.mark.parametrize("cascades", [True, False])
def test_deleting_takes_the_objects_along_only_with_the_finalizer(cluster, repo, cascades):
    repo.commit(
        app__a_y=config_map("a"), app__b_y=config_map("b", sync_options="Delete=false"), app__web_y=deployment("web")
    )
    cluster.follow(repo, policy=WHOLE, metadata={"finalizers": [FINALIZER]} if cascades else {})
    cluster.delete("Application", "a", "argoproj.io/v1alpha1", HOME)
    cluster.run()
    assert cluster.app() is None
    assert (kept(cluster) is None, cluster.deployment("web") is None) == (cascades, cascades)
    assert kept(cluster, "b") == "1"


# Reading the spec


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1m30s", 90),
        ("2h", 7200),
        ("10", 10),
        ("250ms", 0.25),
        ("1.5m", 90),
        ("", None),
        ("5 s", None),
        ("²", None),
    ],
)
def test_durations_are_read_as_go_reads_them(text, seconds):
    assert spec.duration(text) == seconds


def test_a_dry_run_changes_nothing(cluster, repo):
    repo.commit(app__a_y=config_map("a"))
    cluster.follow(repo)
    app = cluster.sync(dryRun=True)
    assert (app["status"]["operationState"]["phase"], kept(cluster)) == ("Succeeded", None)
    assert "history" not in app["status"]


def test_an_operation_can_take_an_older_revision_and_some_of_the_objects(cluster, repo):
    first = repo.commit(app__a_y=config_map("a", "1"), app__b_y=config_map("b", "1"))
    repo.commit(app__a_y=config_map("a", "2"), app__b_y=config_map("b", "2"))
    cluster.follow(repo)
    app = cluster.sync(revision=first, resources=[{"kind": "ConfigMap", "name": "a"}])
    assert (kept(cluster, "a"), kept(cluster, "b")) == ("1", None)
    assert app["status"]["operationState"]["syncResult"]["revision"] == first
    assert state(app)[0] == "OutOfSync"
