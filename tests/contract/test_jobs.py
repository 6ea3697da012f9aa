"""Jobs as the API keeps them; that they run is compared with a recording (test_recorded.py)."""

import shutil
import subprocess

import pytest

BATCH = "batch/v1"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "example/none:1"}]}
PREFIX = "batch.kubernetes.io/"


def job(pod=POD, **spec):
    """A Job that no controller begins, on whatever cluster."""
    return {"metadata": {"name": "grade"}, "spec": {"suspend": True, "template": {"spec": pod}, **spec}}


def changed(space, change):
    return space.patch(space.path("jobs", "grade", BATCH), "merge-patch+json", {"spec": change})


def test_a_job_gets_its_defaults_and_knows_its_pods_by_its_uid(space):
    made = space.made("jobs", job(), BATCH)
    uid, spec = made["metadata"]["uid"], made["spec"]
    assert made["metadata"]["generation"] == 1
    assert spec["selector"] == {"matchLabels": {f"{PREFIX}controller-uid": uid}}
    labels = {f"{PREFIX}controller-uid": uid, f"{PREFIX}job-name": "grade", "controller-uid": uid, "job-name": "grade"}
    assert spec["template"]["metadata"]["labels"] == labels
    told = {name: value for name, value in spec.items() if name not in ("selector", "template")}
    assert told == {
        **{"backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1, "manualSelector": False},
        **{"parallelism": 1, "podReplacementPolicy": "TerminatingOrFailed", "suspend": True},
    }


def test_a_work_queue_does_not_say_how_many_must_succeed(space):
    spec = space.made("jobs", job(parallelism=3), BATCH)["spec"]
    assert ("completions" in spec, spec["parallelism"]) == (False, 3)


def test_failures_by_index_lift_the_limit_for_all(space):
    how = {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1}
    assert space.made("jobs", job(**how), BATCH)["spec"]["backoffLimit"] == 2**31 - 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (job({**POD, "restartPolicy": "Always"}), 'restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (job(completionMode="Indexed", parallelism=1), "spec.completions: Required value: when completion mode is Ind"),
        (job(completionMode="Random"), 'spec.completionMode: Unsupported value: "Random": supported values: "Indexed"'),
        (job(backoffLimitPerIndex=1), "requires indexed completion mode"),
        (job(activeDeadlineSeconds=-1), "spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal"),
        (job(selector={"matchLabels": {"app": "theirs"}}), "`selector` not auto-generated"),
    ],
)
def test_what_is_no_job_is_refused(space, body, told):
    answer = space.create("jobs", body, BATCH)
    assert answer.status_code == 422
    assert told in answer.json()["message"]


def test_what_a_job_does_is_fixed_and_how_fast_is_not(space):
    space.made("jobs", job(completionMode="Indexed", completions=3), BATCH)
    assert changed(space, {"parallelism": 2, "activeDeadlineSeconds": 60, "backoffLimit": 1}).status_code == 200
    assert changed(space, {"completions": 5, "parallelism": 5}).status_code == 200
    for change, told in (
        ({"completions": 4}, "can only be modified in tandem with spec.parallelism"),
        ({"completionMode": "NonIndexed"}, "field is immutable"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "field is immutable"),
        ({"template": {"spec": {"restartPolicy": "OnFailure"}}}, "field is immutable"),
    ):
        answer = changed(space, change)
        assert (answer.status_code, told in answer.json()["message"]) == (422, True), change


def test_a_list_shows_how_far_jobs_are(space):
    space.made("jobs", job(completions=4), BATCH)
    told = space.api.get(space.path("jobs", group=BATCH), headers=TABLE).json()
    shown = [one["name"] for one in told["columnDefinitions"] if not one["priority"]]
    assert shown == ["Name", "Status", "Completions", "Duration", "Age"]
    row = told["rows"][0]["cells"]
    assert (row[0], row[2], row[3], row[-3:-1]) == ("grade", "0/4", "", ["c", "example/none:1"])


@pytest.mark.parametrize(("options", "warned"), [({}, True), ({"propagationPolicy": "Background"}, False)])
def test_whoever_deletes_a_job_and_says_nothing_of_its_pods_is_warned(space, options, warned):
    space.made("jobs", job(), BATCH)
    answer = space.api.request("DELETE", space.path("jobs", "grade", BATCH), json=options)
    assert answer.status_code == 200
    assert ("child pods are preserved by default" in answer.headers.get("warning", "")) == warned


def test_kubectl_makes_shows_and_deletes_a_job(kubectl):
    kubectl("create", "job", "j1", "--image=example/none:1")
    kubectl("patch", "job", "j1", "-p", '{"spec":{"suspend":true}}')
    assert "0/1" in kubectl("get", "jobs").stdout
    assert "Completions:" in kubectl("describe", "job", "j1").stdout
    assert 'job.batch "j1" deleted' in kubectl("delete", "job", "j1").stdout


def test_kubectl_waits_for_the_end_of_a_job(own_control_plane):
    """The script for a kubelet reports that pods of this image succeed."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")

    def kubectl(*arguments):
        argv = [program, "--kubeconfig", str(own_control_plane.kubeconfig), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout

    kubectl("create", "namespace", "cohort")
    kubectl("create", "job", "j1", "-n", "cohort", "--image=grade:1")
    told = kubectl("wait", "--for=condition=complete", "job/j1", "-n", "cohort", "--timeout=30s")
    assert told == "job.batch/j1 condition met\n"
    assert kubectl("get", "job", "j1", "-n", "cohort", "--no-headers").split()[1:3] == ["Complete", "1/1"]
