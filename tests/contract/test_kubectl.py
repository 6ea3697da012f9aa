"""What a student types: kubectl, unmodified."""

import json

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {mode: "one"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example/web:1", ports: [{containerPort: 8080}]}]}
"""


def test_apply_again_and_changed(kubectl):
    first = kubectl("apply", "-f", "-", stdin=MANIFEST).stdout.splitlines()
    assert first == ["configmap/settings created", "service/web created", "deployment.apps/web created"]
    again = kubectl("apply", "-f", "-", stdin=MANIFEST).stdout.splitlines()
    assert again == ["configmap/settings unchanged", "service/web unchanged", "deployment.apps/web unchanged"]
    changed = kubectl("apply", "-f", "-", stdin=MANIFEST.replace("web:1", "web:2")).stdout.splitlines()
    assert changed[-1] == "deployment.apps/web configured"


def test_apply_on_the_servers_side(kubectl):
    kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST)
    again = kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST).stdout.splitlines()
    assert again[0] == "configmap/settings serverside-applied"
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    refused = kubectl(*other, stdin=MANIFEST.replace('"one"', '"two"'), ok=False)
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.mode' in refused.stderr


def test_diff(kubectl):
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert kubectl("diff", "-f", "-", stdin=MANIFEST).stdout == ""
    changed = kubectl("diff", "-f", "-", stdin=MANIFEST.replace("web:1", "web:2"), ok=False)
    assert changed.returncode == 1
    assert "+      - image: example/web:2" in changed.stdout


def test_tables(kubectl):
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    rows = [line.split() for line in kubectl("get", "deploy,svc", "-o", "wide").stdout.splitlines() if line]
    heads = [row for row in rows if row[0] == "NAME"]
    assert heads[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert heads[1] == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]
    deployment = next(row for row in rows if row[0] == "deployment.apps/web")
    assert [deployment[1], *deployment[5:]] == ["0/0", "web", "example/web:1", "app=web"]
    service = next(row for row in rows if row[0] == "service/web")
    assert [service[1], *service[3:5], service[-1]] == ["ClusterIP", "<none>", "80/TCP", "app=web"]


def test_imperative_creates(kubectl):
    made = [
        kubectl("create", "configmap", "c", "--from-literal=a=b"),
        kubectl("create", "secret", "generic", "s", "--from-literal=a=b"),
        kubectl("create", "serviceaccount", "sa"),
        kubectl("create", "deployment", "d", "--image=i:1", "--replicas=0"),
        kubectl("expose", "deployment", "d", "--port=80"),
    ]
    assert [one.stdout for one in made] == [
        "configmap/c created\n",
        "secret/s created\n",
        "serviceaccount/sa created\n",
        "deployment.apps/d created\n",
        "service/d exposed\n",
    ]
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}").stdout == "Yg=="
    again = kubectl("create", "configmap", "c", ok=False)
    assert again.stderr == 'error: failed to create configmap: configmaps "c" already exists\n'


def test_labels_annotations_and_patches(kubectl):
    kubectl("create", "configmap", "c")
    assert kubectl("label", "configmap", "c", "team=a").stdout == "configmap/c labeled\n"
    refused = kubectl("label", "configmap", "c", "team=b", ok=False)
    assert refused.stderr == "error: 'team' already has a value (a), and --overwrite is false\n"
    assert kubectl("annotate", "configmap", "c", "note=x").stdout == "configmap/c annotated\n"
    assert kubectl("patch", "configmap", "c", "-p", '{"data":{"a":"b"}}').stdout == "configmap/c patched\n"
    assert kubectl("patch", "configmap", "c", "-p", '{"data":{"a":"b"}}').stdout == "configmap/c patched (no change)\n"
    assert kubectl("get", "cm", "-l", "team=a", "-o", "name").stdout == "configmap/c\n"


def test_scale_and_set(kubectl):
    kubectl("create", "deployment", "d", "--image=i:1", "--replicas=0")
    assert kubectl("scale", "deploy/d", "--replicas=1").stdout == "deployment.apps/d scaled\n"
    assert kubectl("scale", "deploy/d", "--replicas=0").stdout == "deployment.apps/d scaled\n"
    assert kubectl("set", "image", "deploy/d", "i=i:2").stdout == "deployment.apps/d image updated\n"
    assert kubectl("set", "env", "deploy/d", "A=1").stdout == "deployment.apps/d env updated\n"
    spec = json.loads(kubectl("get", "deploy/d", "-o", "json").stdout)["spec"]["template"]["spec"]["containers"][0]
    assert (spec["image"], spec["env"]) == ("i:2", [{"name": "A", "value": "1"}])


def test_wait(kubectl):
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    done = kubectl("wait", "configmap/c", "--for=jsonpath={.data.a}=b", "--timeout=5s")
    assert done.stdout == "configmap/c condition met\n"
    missed = kubectl("wait", "configmap/c", "--for=jsonpath={.data.a}=x", "--timeout=1s", ok=False)
    assert missed.stderr == "error: timed out waiting for the condition on configmaps/c\n"
    kubectl("delete", "configmap", "c", "--wait=false")
    kubectl("wait", "configmap/c", "--for=delete", "--timeout=5s")


def test_errors_are_the_servers_words(kubectl):
    missing = kubectl("get", "configmap", "zz", ok=False)
    assert missing.stderr == 'Error from server (NotFound): configmaps "zz" not found\n'
    unknown = kubectl("get", "widgets", ok=False)
    assert unknown.stderr == 'error: the server doesn\'t have a resource type "widgets"\n'
    typo = kubectl("apply", "-f", "-", stdin=MANIFEST.replace("replicas: 0", "replics: 0"), ok=False)
    assert 'strict decoding error: unknown field "spec.replics"' in typo.stderr
    wrong = kubectl(
        "apply", "-f", "-", stdin=MANIFEST.replace("matchLabels: {app: web}", "matchLabels: {app: x}"), ok=False
    )
    assert "`selector` does not match template `labels`" in wrong.stderr


def test_a_kind_that_there_is_not(kubectl):
    text = "apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: x}\n"
    refused = kubectl("apply", "-f", "-", stdin=text, ok=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    told = 'resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Deploymnt"'
    assert told in refused.stderr


def test_explain(kubectl):
    told = kubectl("explain", "deployment.spec.replicas").stdout
    assert "FIELD: replicas <integer>" in told


def test_can_i(kubectl, space):
    assert kubectl("auth", "can-i", "create", "deployments").stdout == "yes\n"
    other = f"--as=system:serviceaccount:{space.name}:viewer"
    asked = kubectl("auth", "can-i", "create", "deployments", other, ok=False)
    assert (asked.returncode, asked.stdout) == (1, "no\n")
    refused = kubectl("get", "configmaps", other, ok=False)
    assert f'User "system:serviceaccount:{space.name}:viewer" cannot list resource "configmaps"' in refused.stderr


def test_delete(kubectl):
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    gone = kubectl("delete", "-f", "-", stdin=MANIFEST).stdout.splitlines()
    assert [line.split()[:2] for line in gone] == [
        ["configmap", '"settings"'],
        ["service", '"web"'],
        ["deployment.apps", '"web"'],
    ]
    again = kubectl("delete", "-f", "-", stdin=MANIFEST, ok=False)
    assert again.stderr.splitlines()[0].endswith('configmaps "settings" not found')
