"""The renderer: equal to kubectl on every feature it has, and a helpful word where it has none."""

import random
import shutil
import subprocess
import time

import pytest

from maas_lab import kustomize_options, manifests, yamlfile
from maas_lab.errors import LabError, ManifestError

# One kustomization that uses everything at once, in odd ways.
KUSTOMIZATION = r"""
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: blue
resources: [things.yaml, ./base/]
labels:
- pairs: {app.kubernetes.io/part-of: maas, z: "2"}
  includeTemplates: true
- pairs: {only: here}
images:
- {name: img, newName: registry:5000/other, newTag: "2"}
- {name: both, newTag: "3", digest: "sha256:00"}
- {name: moved, newName: quay.io/moved}
configMapGenerator:
- name: conf
  envs: [conf.env]
  files: [script.sh, other=script.sh]
  literals: ["a=<b>&c é \u2028", 'q="quoted"', "e=", "eq=a=b"]
- name: plain
  literals: [x=1]
  options: {disableNameSuffixHash: true}
- name: empty
patches:
- path: patch.yaml
- target: {kind: Deploy.*}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/env, value: [{name: E, value: e}]}
    - {op: add, path: /metadata/labels/a~1b, value: c}
    - {op: remove, path: /spec/template/spec/volumes/0}
    - {op: test, path: /metadata/name, value: d}
    - {op: replace, path: /spec/selector/matchLabels/app, value: d}
    - {op: replace, path: /spec/paused, value: true}
    - {op: add, path: /spec/template/spec/containers/-, value: {name: last, image: "img@sha256:00"}}
- target: {kind: StatefulSet|Deployment, name: s.*}
  patch: |
    kind: ignored
    metadata: {name: ignored}
    spec: {replicas: 3}
- target: {kind: Nothing}
  patch: |
    - {op: remove, path: /spec}
"""
PATCH = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, annotations: {new: "1"}}
spec:
  strategy: {rollingUpdate: null, type: Recreate}
  template:
    spec:
      initContainers:
      - {name: wait, image: "both:1"}
      containers:
      - {name: side, image: "moved:7"}
      - name: c
        env:
        - {name: NEW, value: "1"}
        - {name: B, value: changed, valueFrom: null}
        ports:
        - {containerPort: 1, name: x}
        - {containerPort: 8080, name: renamed}
        readinessProbe: {exec: null, tcpSocket: {port: http}}
        args: [x]
      tolerations: [{key: b}]
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  ports: [{port: 81, name: more}]
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: zz, namespace: red}
spec:
  containers: [{name: kserve-container, image: "img:1", env: [{name: X, value: "1"}]}]
"""
THINGS = """
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: d}, ports: [{name: http, port: 80, targetPort: http}], type: }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {z: "1"}}
spec:
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      volumes:
      - {name: v, configMap: {name: conf}}
      - {name: w, projected: {sources: [{configMap: {name: conf}}]}}
      tolerations: [{key: a}]
      containers:
      - name: c
        image: img:1
        args: [a, b]
        stdin:
        ports: [{containerPort: 8080, name: http}]
        env:
        - {name: A, value: a}
        - {name: B, valueFrom: {configMapKeyRef: {name: conf, key: K}}}
        readinessProbe: {exec: {command: [a, b]}, periodSeconds: 3}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cj}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "img:1"}]}}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: other}
spec: {containers: [{name: c, image: "img", envFrom: [{configMapRef: {name: conf}}]}]}
---
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cr}
---
apiVersion: v1
kind: Namespace
metadata: {name: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: tok}
"""
BASE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ss}
spec:
  selector: {matchLabels: {app: ss}}
  template:
    metadata: {labels: {app: ss}}
    spec: {containers: [{name: c, image: "img:1", envFrom: [{configMapRef: {name: based}}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce]}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: zz}
spec: {containers: [{name: kserve-container, image: "img:1", env: [{name: Y, value: "on"}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: values}
data:
  yes: yes
  time: 22:22
  text: |-
    a
numbers: [010, 0x10, 1e3, .5, ~, true, 1_000, -1]
"""
FILES = {
    "kustomization.yaml": KUSTOMIZATION,
    "patch.yaml": PATCH,
    "things.yaml": THINGS,
    "conf.env": "K=v\n# comment\n\n  URL=https://x?a=b&c=d\nEMPTY=\n",
    "script.sh": "#!/bin/sh\necho hi\n",
    "base/kustomization.yaml": "namespace: red\nresources: [base.yaml]\nconfigMapGenerator: [{name: based}]\n",
    "base/base.yaml": BASE,
}


# A patch of one that a kustomization below has renamed.
RENAMED = """
patches: [{{patch: '{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: {name}}}, spec: {{paused: 1}}}}'}}]
"""
# Objects that name and select each other in the ways that kustomize knows.
NAMED = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: more}
spec:
  serviceName: svc
  selector: {matchLabels: {app: more}}
  template:
    metadata: {labels: {app: more}}
    spec:
      serviceAccountName: acc
      imagePullSecrets: [{name: pull}]
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 1
            podAffinityTerm: {topologyKey: a, labelSelector: {matchLabels: {app: more}}}
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: a, labelSelector: {matchLabels: {app: more}}}
          - {topologyKey: a}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: more}}}
      containers:
      - name: c
        image: img:1
        envFrom: [{secretRef: {name: sec}}, {configMapRef: {name: cm}}]
        env:
        - {name: A, valueFrom: {secretKeyRef: {name: sec, key: a}}}
        - {name: B, valueFrom: {configMapKeyRef: {name: elsewhere, key: a}}}
      volumes:
      - {name: a, secret: {secretName: sec}}
      - {name: b, persistentVolumeClaim: {claimName: claim}}
      - {name: c, configMap: {name: cm}}
      - {name: d, projected: {sources: [{secret: {name: sec}}, {configMap: {name: cm}}]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
{apiVersion: v1, kind: Service, metadata: {name: svc}, spec: {selector: {app: more}}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside}, spec: {type: ExternalName, externalName: example.com}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: acc}, secrets: [{name: sec}], imagePullSecrets: [{name: pull}]}
---
{apiVersion: v1, kind: Secret, metadata: {name: sec}}
---
{apiVersion: v1, kind: Secret, metadata: {name: pull}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, annotations: {old: kept}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ns}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {serviceAccountName: acc, containers: [{name: c, image: img}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: img, envFrom: [{secretRef: {name: sec}}]}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec:
  podSelector: {matchLabels: {app: more}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: more}}}, {namespaceSelector: {matchLabels: {a: b}}}, {podSelector: {}}]
  egress: [{to: [{podSelector: {matchLabels: {app: more}}}]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: role}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bind}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}
subjects: [{kind: ServiceAccount, name: acc}, {kind: User, name: acc}]
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: isvc}
spec: {predictor: {model: {runtime: rt}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: pdb}
spec: {selector: {matchLabels: {app: more}}}
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def kubectl(folder):
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)
    return [document.body for document in yamlfile.parse(done.stdout, "kubectl")]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_everything_at_once_is_what_kubectl_makes_of_it(tmp_path):
    ours, theirs = manifests.render(write(tmp_path, FILES)), kubectl(tmp_path)
    assert [(one["kind"], one["metadata"]["name"]) for one in ours] == [
        (one["kind"], one["metadata"]["name"]) for one in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert one == other


# What an Application of Argo CD can set, and what lies below it in the repository.
SET = [
    ("namePrefix: p-\nnameSuffix: -s", "more.yaml"),
    ("commonLabels: {team: a}\ncommonAnnotations: {team: a}\nreplicas: [{name: more, count: 4}]", "more.yaml"),
    (
        "commonLabels: {team: a}\nlabels: [{pairs: {team: b, x: c}, includeTemplates: true}]\nnamePrefix: p-\n"
        "configMapGenerator: [{name: gen, literals: [a=b]}]\nimages: [{name: img, newTag: '9'}]",
        "more.yaml",
    ),
    ("namePrefix: top-\nreplicas: [{name: d, count: 7}]\nnamespace: green", "../all"),
    ("nameSuffix: -s\nreplicas: [{name: more, count: 7}]\n" + RENAMED.format(name="more"), "../low"),
    ("nameSuffix: -s\nreplicas: [{name: low-more, count: 7}]\n" + RENAMED.format(name="low-more"), "../low"),
]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize(("fields", "below"), SET, ids=range(len(SET)))
def test_names_labels_and_copies_are_what_kubectl_makes_of_them(tmp_path, fields, below):
    write(tmp_path / "all", FILES)
    low = "resources: [more.yaml]\nnamePrefix: low-\nconfigMapGenerator: [{name: gen, literals: [a=b]}]\n"
    write(tmp_path / "low", {"kustomization.yaml": low, "more.yaml": NAMED})
    top = write(tmp_path / "top", {"kustomization.yaml": f"resources: [{below}]\n{fields}\n", "more.yaml": NAMED})
    assert manifests.render(top) == kubectl(top)


def test_what_an_application_sets_is_as_if_it_stood_in_the_file(tmp_path):
    below = "resources: [more.yaml]\nimages: [{name: img, newTag: '1'}, {name: kept, newTag: '1'}]\nnamePrefix: old-\n"
    below += "commonLabels: {team: a}\nreplicas: [{name: more, count: 1}]\n"
    write(tmp_path / "a", {"kustomization.yaml": below, "more.yaml": NAMED})
    options = {
        "namePrefix": "p-",
        "namespace": "green",
        "images": ["img=quay.io/x/y:2", "other@sha256:00"],
        "replicas": [{"name": "more", "count": "3"}],
        "commonLabels": {"team": "b"},
        "forceCommonLabels": True,
        "commonAnnotations": {"x": "y"},
        "patches": [{"target": {"kind": "Service"}, "patch": '[{"op": "remove", "path": "/spec/selector"}]'}],
    }
    same = """
resources: [more.yaml]
images:
- {name: kept, newTag: '1'}
- {name: img, newName: quay.io/x/y, newTag: '2'}
- {name: other, digest: "sha256:00"}
namePrefix: p-
namespace: green
replicas: [{name: more, count: 3}]
commonLabels: {team: b}
commonAnnotations: {x: y}
patches:
- {target: {kind: Service, name: svc}, patch: '[{"op": "remove", "path": "/spec/selector"}]'}
"""
    options["patches"][0]["target"]["name"] = "svc"
    write(tmp_path / "b", {"kustomization.yaml": same, "more.yaml": NAMED})
    assert manifests.render(tmp_path / "a", options=options) == manifests.render(tmp_path / "b")
    del options["forceCommonLabels"]
    with pytest.raises(ManifestError, match=r"commonLabels: team is in .*/a/kustomization.yaml already"):
        manifests.render(tmp_path / "a", options=options)
    without = manifests.render(tmp_path / "a", options={"commonLabels": {"new": "1"}, "labelWithoutSelector": True})
    [service] = [one for one in without if one["metadata"]["name"] == "old-svc"]
    assert (service["metadata"]["labels"]["new"], service["spec"]["selector"]) == ("1", {"app": "more", "team": "a"})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a:1", {"name": "a", "newTag": "1"}),
        ("localhost:5000/a/b:1", {"name": "localhost:5000/a/b", "newTag": "1"}),
        ("a=b:2", {"name": "a", "newName": "b", "newTag": "2"}),
        ("x/a=y:5000/b", {"name": "x/a", "newName": "y:5000/b"}),
        ("a@sha256:00", {"name": "a", "digest": "sha256:00"}),
    ],
)
def test_an_image_is_read_as_argo_cd_writes_it(text, read):
    assert kustomize_options.image(text) == read


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_another_namespace_is_a_kustomization_on_top(tmp_path):
    write(tmp_path, {"top/kustomization.yaml": "namespace: green\nresources: [../all]\n"})
    write(tmp_path / "all", FILES)
    assert manifests.render(tmp_path / "all", namespace="green") == kubectl(tmp_path / "top")


def test_a_patch_is_a_kustomization_on_top(tmp_path):
    change = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 2}\n"
    change += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: tok}\ndata: {a: Yg==}\n"
    top = "namespace: green\nresources: [../all]\npatches: [{path: change.yaml}]\n"
    write(tmp_path, {"top/kustomization.yaml": top, "top/change.yaml": change})
    write(tmp_path / "all", FILES)
    assert manifests.render(tmp_path / "all", "green", patch=change) == kubectl(tmp_path / "top")


def test_a_patch_for_an_object_that_is_not_there_is_refused(tmp_path):
    change = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\nspec: {replicas: 2}\n"
    with pytest.raises(ManifestError, match="is for Deployment other, and there is no such object") as error:
        manifests.render(write(tmp_path, FILES), patch=change)
    assert error.value.why == "of this kind there are: d"


def test_rendering_changes_nothing_and_repeats(tmp_path):
    write(tmp_path, FILES)
    first = manifests.render(tmp_path)
    first[0]["metadata"]["name"] = "changed by the caller"
    assert manifests.render(tmp_path) == manifests.render(str(tmp_path))
    assert {name: (tmp_path / name).read_text() for name in FILES} == FILES


def test_a_changed_value_is_another_name(tmp_path):
    names = []
    for value in ("1", "2", "1"):
        files = {"kustomization.yaml": f"configMapGenerator: [{{name: c, literals: [a={value}]}}]\n"}
        names.append(manifests.render(write(tmp_path, files))[0]["metadata"]["name"])
    assert names[0] == names[2] != names[1]
    assert all(name.startswith("c-") and len(name) == 12 for name in names)


def refused(tmp_path, files):
    with pytest.raises(ManifestError) as caught:
        manifests.render(write(tmp_path, files))
    assert isinstance(caught.value, LabError)
    assert caught.value.what
    return " | ".join(caught.value.lines())


OBJECT = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
WITH = "resources: [a.yaml]\n"


@pytest.mark.parametrize(
    ("kustomization", "words"),
    [
        ("resources: [b.yaml]\n", ["kustomization.yaml", "`b.yaml`", "no such file"]),
        ("resources: [A.yml]\n", ["`A.yml`", "the folder holds a.yaml"]),
        ("resources: [https://example.com/x.yaml]\n", ["this machine only", "clone it"]),
        ("resources: [/etc/hostname]\n", ["outside its folder"]),
        ("resources: a.yaml\n", ["line 1", "`resources` is not a list"]),
        ("resources: [1]\n", ["`resources[0]` is 1", "it takes text", 'write "1" in quotes']),
        ("resources: [a.yaml, a.yaml]\n", ["Service s is there twice"]),
        (WITH + "resource: [a.yaml]\n", ["unknown field `resource`", "line 2", "did you mean `resources`?"]),
        (WITH + "NameSpace: x\n", ["`NameSpace`", "did you mean `namespace`?"]),
        (WITH + "xyz: x\n", ["`xyz`", "known fields: apiVersion, kind, namespace"]),
        (WITH + "components: [x]\n", ["`components`", "kustomize knows this field"]),
        (WITH + "secretGenerator: []\n", ["`secretGenerator`", "kustomize knows this field"]),
        (WITH + "patches: [{paths: x}]\n", ["`patches[0].paths`", "line 2", "did you mean `path`?"]),
        (WITH + "images: [{newTag: 1.10}]\n", ["`images[0].newTag` is 1.1", "in quotes"]),
        (WITH + "images: [{newTag: '1'}]\n", ["an entry of `images` has no `name`"]),
        (WITH + "labels: [{pairs: {a: b}, includeSelectors: true}]\n", ["includeTemplates: true"]),
        (WITH + "kind: Component\n", ["kind is Component", "kind: Kustomization"]),
        (WITH + "---\n" + WITH, ["more than one document"]),
        ("", ["is empty", "resources:"]),
        ("- a\n", ["`the file` is not a mapping"]),
        ("resources: [a.yaml\nkind: x\n", ["kustomization.yaml, line ", "not valid YAML"]),
        ("resources:\n\t- a.yaml\n", ["line 2", "not valid YAML", "no tabs"]),
        (WITH + WITH, ["line 2", "`resources` stands there twice"]),
        (WITH + "patches: [{}]\n", ["either `path` or `patch`"]),
        (WITH + "patches: [{path: nope.yaml}]\n", ["`nope.yaml`"]),
        (WITH + "patches: [{patch: 'a: [1'}]\n", ["a patch in ", "line 2", "not valid YAML"]),
        (WITH + "patches: [{patch: text}]\n", ["neither an object nor a list"]),
        (WITH + "patches: [{patch: '[{op: add}]'}]\n", ["has no `target`"]),
        (WITH + "patches: [{target: {kind: '('}, patch: '[]'}]\n", ["is no pattern"]),
        (WITH + "configMapGenerator: [{literals: [a=1]}]\n", ["has no `name`"]),
        (WITH + "configMapGenerator: [{name: c, literals: [a]}]\n", ["`a` is not KEY=VALUE"]),
        (WITH + "configMapGenerator: [{name: c, literals: [a b=1]}]\n", ["`a b` cannot be a key"]),
        (WITH + "configMapGenerator: [{name: c, literals: [a=1, a=2]}]\n", ["`a` is there twice"]),
        (WITH + "configMapGenerator: [{name: c, envs: [x.env]}]\n", ["`x.env`"]),
        (WITH + "configMapGenerator: [{name: c, behavior: merge}]\n", ["`configMapGenerator[0].behavior`"]),
    ],
)
def test_a_wrong_kustomization_is_explained(tmp_path, kustomization, words):
    told = refused(tmp_path, {"kustomization.yaml": kustomization, "a.yaml": OBJECT})
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Service\n", ["a.yaml, line 1", "without apiVersion and metadata.name", "add `apiVersion:`"]),
        (OBJECT + "---\n# two\napiVersion: v1\nkind: X\n", ["a.yaml, line 7", "without metadata.name"]),
        ("just text\n", ["is not an object"]),
        ("a: b: c\n", ["a.yaml, line 1", "not valid YAML"]),
        (OBJECT + "1: x\n", ["line 5", 'write "1"']),
        (OBJECT.replace("s}", "s, labels: [a]}"), ["`labels` of Service s is not a mapping"]),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: []\n", ["`spec.template.metadata`"]),
        ("[" * 5000, ["a.yaml"]),
        (OBJECT + "data: &a {b: *a}\n", ["a.yaml, line 5", "inside what it names"]),
        (OBJECT + BOMB, ["a.yaml", "more than 200000 values"]),
    ],
)
def test_a_wrong_manifest_is_explained(tmp_path, text, words):
    kustomization = WITH + "labels: [{pairs: {a: b}, includeTemplates: true}]\n"
    told = refused(tmp_path, {"kustomization.yaml": kustomization, "a.yaml": text})
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("[{op: remove, path: /spec/nope}]", ["Service s", "`remove /spec/nope` does not fit"]),
        ("[{op: add, path: /spec/ports/7, value: 1}]", ["does not fit"]),
        ("[{op: add, path: /spec/ports/--1, value: 1}]", ["does not fit", "stopped at element '--1'"]),
        ("[{op: add, path: /spec/nope/x, value: 1}]", ["does not fit", "stopped at 'nope'"]),
        ("[{op: test, path: /metadata/name, value: t}]", ["does not fit", "'s'"]),
        ("[{op: replace, path: '', value: {}}]", ["does not fit"]),
        ("[{op: move, path: /a, from: /b}]", ["`op: move` is not supported", "add, replace, remove, test"]),
        ("[{op: add, path: /spec/x}]", ["has no `value`"]),
        ("[{op: add}]", ["without `path`"]),
        ("{spec: {ports: 80}}", ["`ports` is a list there"]),
        ("{spec: {ports: {a: 1}}}", ["`ports` is a list there"]),
        ("{spec: {ports: [{name: x}]}}", ["an entry of `ports` without `containerPort`"]),
        ("{spec: [1]}", ["`spec` is a mapping there"]),
        ("{spec: {$patch: delete}}", ["`$patch` is not supported", "`name: null`"]),
    ],
)
def test_a_patch_that_does_not_fit_is_explained(tmp_path, patch, words):
    kustomization = WITH + f'patches: [{{target: {{kind: Service}}, patch: "{patch}"}}]\n'
    told = refused(tmp_path, {"kustomization.yaml": kustomization, "a.yaml": OBJECT})
    for word in words:
        assert word in told


def test_a_patch_for_nobody_says_who_is_there(tmp_path):
    patch = OBJECT.replace("name: s", "name: t")
    files = {"kustomization.yaml": WITH + "patches: [{path: p.yaml}]\n", "a.yaml": OBJECT, "p.yaml": patch}
    told = refused(tmp_path, files)
    assert "patch p.yaml is for Service t, and there is no such object" in told
    assert "of this kind there are: s" in told


def test_folders_that_include_each_other_are_refused(tmp_path):
    files = {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}
    write(tmp_path, files)
    with pytest.raises(ManifestError, match="a includes itself") as caught:
        manifests.render(tmp_path / "a")
    assert "b includes" in caught.value.why
    write(tmp_path, {"kustomization.yaml": "resources: [a]\n", "a/kustomization.yaml": "resources: [..]\n"})
    with pytest.raises(ManifestError, match="includes itself"):
        manifests.render(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "two", {"kustomization.yaml": WITH, "Kustomization": WITH})
    for name, words in {
        "nowhere": "no such folder",
        "file": "it is a file",
        "empty": "holds no kustomization.yaml",
        "two": "holds both",
    }.items():
        with pytest.raises(ManifestError) as caught:
            manifests.render(tmp_path / name)
        assert words in " ".join(caught.value.lines())


def test_a_link_leads_nowhere_outside(tmp_path):
    write(tmp_path, {"secret.yaml": OBJECT, "in/kustomization.yaml": WITH})
    (tmp_path / "in" / "a.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(ManifestError, match="outside its folder"):
        manifests.render(tmp_path / "in")


def test_what_is_not_text_is_refused(tmp_path):
    write(tmp_path, {"kustomization.yaml": WITH})
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="is not text"):
        manifests.render(tmp_path)


def test_no_damage_ends_in_a_traceback(tmp_path):
    """Damage a working folder in many ways: each renders, or is refused with a sentence."""
    chance = random.Random(1)
    pieces = ["[]", "{}", "1", "~", "x", "- a", "", "a: b", "'", "&a", "*a", "$patch: x", "? x", "\t", "{a: [1]}"]
    outcomes = {"rendered": 0, "refused": 0}
    started = time.perf_counter()
    for _ in range(400):
        write(tmp_path, FILES)
        name = chance.choice([name for name in FILES if name.endswith("yaml")])
        lines = FILES[name].splitlines()
        number = chance.randrange(len(lines))
        head, colon, _tail = lines[number].rpartition(": ")
        lines[number] = chance.choice([f"{head}{colon}{chance.choice(pieces)}", chance.choice(pieces), lines[-1]])
        (tmp_path / name).write_text("\n".join(lines))
        try:
            manifests.render(tmp_path)
            outcomes["rendered"] += 1
        except ManifestError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20
    assert time.perf_counter() - started < 60
