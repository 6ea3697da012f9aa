"""Grading in indexed Jobs: what travels into pods and back, what they may do, and what becomes of what they print."""

import base64
import io
import json
import random
import zipfile
from pathlib import Path

import nbformat
import pytest

from maas_lab import manifests
from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound, UsageError
from maas_lab.grading import carried, cohort_jobs, indexed, on_cluster, pool, telling, verdicts, workbook
from maas_lab.grading.submissions import find
from maas_lab.grading.verdicts import RESULT, Graded
from maas_lab.local.kube import kinds, validation
from maas_lab.local.programs import grader
from maas_lab.objects import KubeObject

GRADING = Path(__file__).parents[1] / "manifests" / "grading"
JOB = kinds.of("batch/v1", "Job")


# What travels


def test_what_is_packed_comes_out_again_and_is_always_the_same():
    files = {"bob/03_consumer.ipynb": b"{}" * 900_000, "bob/00_start.ipynb": bytes(range(256)) * 9000}
    archive = carried.packed(files)
    assert carried.packed(dict(reversed(files.items()))) == archive
    assert carried.unpacked(archive) == files
    assert set(carried.unpacked(archive, {"bob/00_start.ipynb"})) == {"bob/00_start.ipynb"}


def test_a_large_submission_travels_in_parts(tmp_path):
    content = bytes(range(256)) * 8000
    for number, part in enumerate(carried.parts(content)):
        assert len(base64.b64encode(part)) < 1024 * 1024
        (tmp_path / f"{number:04}").write_bytes(part)
    assert len(list(tmp_path.iterdir())) == 3
    assert carried.joined(tmp_path) == content


def test_a_log_tells_an_archive_among_other_lines():
    content = bytes(range(256)) * 100
    log = "\n".join(["bob: begins", *carried.lines(content), "more"])
    assert carried.told(log) == content
    assert max(map(len, log.splitlines())) < 16_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [f"{carried.MARK}!!", *lines],
        lambda lines: [carried.MARK + base64.b64encode(b"forged").decode(), *lines],
        lambda lines: [],
    ],
)
def test_half_a_log_tells_nothing(spoil):
    assert carried.told("\n".join(spoil(list(carried.lines(b"x" * 9000))))) is None


@pytest.mark.parametrize("content", [b"", b"no archive", carried.packed({"a": b"abc"})[:-9]])
def test_what_is_no_archive_is_refused(content):
    with pytest.raises(ValueError, match="the archive cannot be read"):
        carried.unpacked(content)


def test_a_file_that_grows_beyond_all_bounds_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(carried, "LARGEST", 1000)
    with pytest.raises(ValueError, match="bomb is too large"):
        carried.unpacked(carried.packed({"bomb": bytes(1_000_000)}))


def test_a_file_that_an_archive_names_often_is_read_once(monkeypatch):
    whole, read = io.BytesIO(), []
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(RESULT, b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(RESULT, b"x")
    opened = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda self, name: read.append(name) or opened(self, name))
    assert carried.unpacked(whole.getvalue()) == {RESULT: b"x"}
    assert read == [RESULT]


def test_an_archive_whose_content_is_damaged_is_refused_whatever_packed_it():
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", method) as archive:
            archive.writestr("a", random.Random(1).randbytes(200))
        damaged = bytearray(whole.getvalue())
        damaged[60:90] = b"\xff" * 30
        with pytest.raises(ValueError, match="the archive cannot be read"):
            carried.unpacked(bytes(damaged))


def test_what_does_not_fit_into_a_log_is_left_out_and_the_result_is_not(monkeypatch):
    monkeypatch.setattr(carried, "MOST_PRINTED", 3000)
    noise = {name: random.Random(name).randbytes(1500) for name in "ab"}
    files = {**noise, RESULT: b"{}" * 200, "small": b"x"}
    assert RESULT in carried.printable(files, RESULT)
    assert len(carried.packed(carried.printable(files, RESULT))) <= 3000 * 3 / 4
    assert set(carried.printable(files, RESULT)) < set(files)


def test_an_archive_does_not_write_beside_its_folder(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("../outside", b"x")
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "0000").write_bytes(whole.getvalue())
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ValueError, match="leads out of the submission"):
        indexed.grade(tmp_path / "submission", tmp_path / "scratch", pool.Plan(tmp_path / "scratch" / "results"))
    assert not (tmp_path / "scratch" / "outside").exists()


# What is made on the cluster


@pytest.fixture
def cohort(tmp_path):
    """Three who handed something in, and one who did not."""
    for learner in ("alice", "bob", "carol"):
        (tmp_path / "cohort" / learner).mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(), tmp_path / "cohort" / learner / "00_start.ipynb")
    (tmp_path / "cohort" / "dave").mkdir()
    return tmp_path / "cohort"


@pytest.fixture(scope="module")
def lessons():
    return workbook.load(pool.worker.NOTEBOOKS)


def test_each_pod_sees_the_submission_of_its_own_learner(cohort, lessons):
    found = [one for one in find(cohort, lessons) if not one.problem]
    body = cohort_jobs.job([(one.learner, one.digest) for one in found], 2)
    maps = cohort_jobs.config_maps(body, found)
    volume = cohort_jobs.with_submissions(body, maps)["spec"]["template"]["spec"]["volumes"][0]
    places = {one["configMap"]["name"]: one["configMap"]["items"][0]["path"] for one in volume["projected"]["sources"]}
    name = body["metadata"]["name"]
    assert places == {f"{name}-{index}-0000": f"{index}/0000" for index in range(3)}
    for index, one in enumerate(maps):
        (file,) = carried.unpacked(base64.b64decode(one["binaryData"]["part"]))
        assert file == f"{found[index].learner}/00_start.ipynb"
    (mount,) = [one for one in find_mounts(body) if one["name"] == "submissions"]
    assert (mount["subPathExpr"], mount["readOnly"]) == ("$(JOB_COMPLETION_INDEX)", True)


def find_mounts(body):
    return body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]


def test_a_job_says_whom_it_grades():
    members = [("alice", "k1"), ('"; drop', "k2")]
    body = cohort_jobs.job(members, 8)
    assert cohort_jobs.members(body) == members
    assert (body["spec"]["completions"], body["spec"]["parallelism"], body["spec"]["suspend"]) == (2, 2, True)
    assert body["metadata"]["name"] == cohort_jobs.job(members, 8)["metadata"]["name"]
    assert body["metadata"]["name"] != cohort_jobs.job(members[:1], 8)["metadata"]["name"]
    assert cohort_jobs.members({"metadata": {}}) == []


def test_the_job_is_one_that_kubernetes_takes(schemas):
    body = cohort_jobs.job([("alice", "k")], 1)
    complete = schemas.default(JOB, schemas.decode(JOB, body, "Strict")[0])
    selector = {"selector": {"matchLabels": complete["spec"]["template"]["metadata"]["labels"]}}
    assert validation.problems(JOB, {**complete, "spec": {**complete["spec"], **selector}}) == []


def test_pods_of_learners_pass_the_restricted_policy_and_get_nothing_to_reach_for():
    (job,) = manifests.read(GRADING / "job.yaml")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == grader.REFERENCE
    assert not {"command", "args"} & set(container)
    context = pod["securityContext"] | container["securityContext"]
    assert context == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"], pod["restartPolicy"]) == (
        False,
        False,
        "Never",
    )
    assert [sorted(volume) for volume in pod["volumes"]] == [["name", "projected"], ["emptyDir", "name"]]
    assert pod["volumes"][1]["emptyDir"]["sizeLimit"]
    assert not {"envFrom", "ports"} & set(container)
    assert all("valueFrom" not in one for one in container["env"])
    for field in ("hostNetwork", "hostPID", "hostIPC", "runAsUser", "fsGroup", "privileged"):
        assert field not in json.dumps(job)


def test_no_role_is_bound_to_the_pods_and_a_policy_closes_them():
    objects = manifests.render(GRADING / "openshift")
    (account,) = [one for one in objects if one["kind"] == "ServiceAccount"]
    assert (account["metadata"]["name"], account["automountServiceAccountToken"]) == ("grader", False)
    assert not [one for one in objects if one["kind"].endswith("Binding")]
    (policy,) = [one for one in objects if one["kind"] == "NetworkPolicy"]
    (job,) = manifests.read(GRADING / "job.yaml")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(policy["spec"])
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert {one["metadata"]["namespace"] for one in objects} == {cohort_jobs.NAMESPACE}


# What an instructor sees


class Pods(Cluster):
    """A cluster on which each pod ends at once, as `prints` says: the lines of its log, or None for a failure."""

    def __init__(self, prints):
        self.prints, self.objects, self.made = prints, {}, []
        self.objects["ServiceAccount", "grader"] = {"metadata": {"name": "grader"}}

    def apply(self, objects, *_, **__):
        for one in objects if isinstance(objects, list) else [objects]:
            self.made.append((one["kind"], one["metadata"]["name"], one.get("spec", {}).get("suspend")))
            self.objects[one["kind"], one["metadata"]["name"]] = KubeObject(one)
            one["metadata"].setdefault("uid", "u")

    def get(self, kind, name, *_, **__):
        if (kind, name) not in self.objects:
            raise NotFound(f"{kind} {name} does not exist")
        found = self.objects[kind, name]
        over = {"conditions": [{"type": "Complete", "status": "True"}]}
        return found | {"status": over} if kind == "Job" else found

    def list(self, kind, *_, **__):
        jobs = [one for (which, _), one in self.objects.items() if which == "Job"]
        return jobs if kind == "Job" else [pod for job in jobs for pod in self._pods(job)]

    def _pods(self, job):
        for index, (learner, _) in enumerate(cohort_jobs.members(job)):
            phase = "Failed" if self.prints.get(learner) is None else "Succeeded"
            ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}} if phase == "Failed" else {}
            metadata = {"name": learner, "annotations": {cohort_jobs.INDEX: str(index)}, "creationTimestamp": ""}
            yield KubeObject(metadata=metadata, status={"phase": phase, "containerStatuses": [{"state": ended}]})

    def logs(self, pod, *_, **__):
        return "\n".join(self.prints[pod])

    def delete(self, objects, *_, **__):
        for one in objects:
            name = one.split("/")[1] if isinstance(one, str) else one["metadata"]["name"]
            del self.objects["Job", name]


def printed(lessons, learner, version=None, **files):
    """Return what a pod prints that graded a learner, with an executed copy of lesson 00."""
    graded = Graded(learner, f"d-{version or workbook.version(lessons, pool.PACKAGE)}")
    result = verdicts.read("", graded, lessons).text().encode()
    return list(carried.lines(carried.packed({RESULT: result, "00_start.ipynb": b"{}", **files})))


def graded_on(cluster, cohort, tmp_path, only=()):
    told = []
    plan = pool.Plan(tmp_path / "grades", only=only)
    found = on_cluster.grade(cohort, plan, cluster, lambda event: told.append(telling.line(event)))
    return {one.learner: one.ended for one in found}, told


def test_results_come_from_the_pods_logs_into_the_same_folders(cohort, lessons, tmp_path):
    outside = {"../../outside": b"x", "index.html": b"x"}
    cluster = Pods({name: printed(lessons, name, **outside) for name in ("alice", "bob", "carol")})
    found, told = graded_on(cluster, cohort, tmp_path)
    nothing = "the folder holds no notebook of this course, by its name"
    assert found == {"alice": "", "bob": "", "carol": "", "dave": nothing}
    assert told[2].startswith("Learners: 3, pods at a time: 3, in job/grade-")
    steps = [(kind, suspended) for kind, _, suspended in cluster.made]
    assert steps == [("Job", True), *[("ConfigMap", None)] * 3, ("Job", False)]
    assert not [one for one in cluster.objects if one[0] == "Job"], "the Job is deleted when all is collected"
    assert sorted(path.name for path in (tmp_path / "grades" / "bob").iterdir()) == ["00_start.ipynb", RESULT]
    assert not (tmp_path / "outside").exists()
    again, told = graded_on(Pods({}), cohort, tmp_path)
    assert again == found
    assert all("graded before" in line or "dave" in line for line in told)


def test_a_pod_without_results_costs_only_its_learner(cohort, lessons, tmp_path):
    prints = {"alice": None, "bob": ["no results"], "carol": printed(lessons, "carol")}
    found, _ = graded_on(Pods(prints), cohort, tmp_path)
    assert found["alice"] == f"{pool.BROKEN}: its pod alice ended (OOMKilled, exit code 137)"
    assert found["bob"] == f"{pool.BROKEN}: its pod printed no results"
    assert found["carol"] == ""
    found, told = graded_on(
        Pods({"alice": printed(lessons, "alice"), "bob": printed(lessons, "bob")}), cohort, tmp_path
    )
    assert (found["alice"], found["bob"]) == ("", "")
    assert [line for line in told if line.startswith("carol") or "carol: " in line] == [
        line for line in told if "carol" in line and "graded before" in line
    ]


def test_an_image_of_another_workbook_is_told(cohort, lessons, tmp_path):
    cluster = Pods({name: printed(lessons, name, version="old") for name in ("alice", "bob", "carol")})
    found, _ = graded_on(cluster, cohort, tmp_path, only=["bob"])
    assert found == {"bob": f"{pool.BROKEN}: the image of the pod grades another version of this workbook"}


def test_a_job_that_an_earlier_call_left_is_followed(cohort, lessons, tmp_path):
    cluster = Pods({name: printed(lessons, name) for name in ("alice", "bob", "carol")})
    keys = [(one.learner, f"{one.digest}-{workbook.version(lessons, pool.PACKAGE)}") for one in find(cohort, lessons)]
    begun = cohort_jobs.job(keys[:2], 1)
    halfway = cohort_jobs.job(keys[2:3], 1)
    cluster.apply([{**begun, "spec": {**begun["spec"], "suspend": False}}, halfway])
    cluster.made.clear()
    found, told = graded_on(cluster, cohort, tmp_path)
    assert [found[name] for name in ("alice", "bob", "carol")] == ["", "", ""]
    assert any("An earlier call has begun 2 of them" in line for line in told)
    assert [kind for kind, _, _ in cluster.made] == ["Job", "ConfigMap", "Job"], "only carol's is made anew"


def test_a_cluster_that_is_not_prepared_is_told_how(cohort, tmp_path):
    cluster = Pods({})
    cluster.objects.clear()
    with pytest.raises(UsageError, match="not prepared") as refused:
        graded_on(cluster, cohort, tmp_path)
    assert "kubectl apply -k manifests/grading/local" in refused.value.hint


def test_what_is_not_executed_needs_no_pod(tmp_path):
    (tmp_path / "cohort" / "eve").mkdir(parents=True)
    (tmp_path / "cohort" / "eve" / "00_start.ipynb").symlink_to("/etc/hostname")
    found, _ = graded_on(Pods({}), tmp_path / "cohort", tmp_path)
    assert found == {"eve": ""}
    told = json.loads((tmp_path / "grades" / "eve" / RESULT).read_text())
    assert told["lessons"][0]["state"] == verdicts.REFUSED
