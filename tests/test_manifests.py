"""What is deployed: the manifests render as kubectl renders them, fit together, and avoid the traps they name."""

import copy
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from maas_lab import manifests, yamlfile
from maas_lab.applications import own_project
from maas_lab.local.kubelet.node import SLOT

ROOT = Path(__file__).parents[1] / "manifests"
FOLDERS = sorted(
    str(file.parent.relative_to(ROOT))
    for file in ROOT.rglob("kustomization.yaml")
    if "base" not in file.relative_to(ROOT).parts
)
TEMPLATE, EXAMPLE = "gitops-learners", "maas-lab-02-alice"  # a project, and the namespace that it is written for
DEPLOYED = [folder for folder in FOLDERS if "overlays" in folder]
INFRASTRUCTURE = ["infrastructure/overlays/local", "infrastructure/overlays/openshift"]
FILES = sorted(ROOT.rglob("*.yaml"))
# What the manifests rely on and do not make: who makes it, and the keys that it holds.
MADE_BY_THE_CLUSTER = {("ConfigMap", "kube-root-ca.crt"): {"ca.crt"}, ("Secret", "litemaas-token"): {"token"}}
WORKLOADS = ("Deployment", "StatefulSet")


@cache
def rendered(folder):
    return manifests.render(ROOT / folder)


@cache
def secrets():
    """The Secrets of the documented step, as it prints them."""
    done = subprocess.run(["sh", str(ROOT / "secrets.sh")], capture_output=True, text=True, check=True)
    return [document.body for document in yamlfile.parse(done.stdout, "secrets.sh")]


def of(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def named(objects, kind, name):
    return next(one for one in of(objects, kind) if one["metadata"]["name"] == name)


def pod(one):
    """The pod spec of a workload or a ServingRuntime."""
    return one["spec"] if one["kind"] == "ServingRuntime" else one["spec"]["template"]["spec"]


def containers(objects, init=True):
    return [
        container
        for one in of(objects, *WORKLOADS, "ServingRuntime")
        for field in ("containers", *(["initContainers"] if init else []))
        for container in pod(one).get(field, [])
    ]


def find(value, key):
    """Every value that stands under a key, at any depth."""
    if isinstance(value, list):
        for entry in value:
            yield from find(entry, key)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if name == key:
                yield entry
            yield from find(entry, key)


def env(objects, kind, name):
    (container,) = pod(named(objects, kind, name))["containers"]
    return {entry["name"]: entry for entry in container["env"]}


def labels_of(objects):
    return [one["spec"]["template"]["metadata"]["labels"] for one in of(objects, *WORKLOADS)]


def within(part, whole):
    return part.items() <= whole.items()


def test_every_folder_of_the_layout_is_there():
    assert FOLDERS == [
        "gitops",
        "gitops-learners",
        "grading/local",
        "grading/openshift",
        "infrastructure/cluster-admin",
        "infrastructure/overlays/local",
        "infrastructure/overlays/openshift",
        "models/overlays/local",
        "models/overlays/local-quantised",
        "models/overlays/local-vllm",
        "models/overlays/openshift-cpu",
        "models/overlays/openshift-gpu",
        "models/overlays/openshift-gpu-quantised",
        "models/overlays/openshift-gpu-w4a16",
        "rbac",
    ]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", FOLDERS)
def test_python_renders_what_kubectl_renders(folder):
    done = subprocess.run(["kubectl", "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=True)
    expected = [document.body for document in yamlfile.parse(done.stdout, folder)]
    assert len(rendered(folder)) == len(expected) > 0
    for ours, theirs in zip(rendered(folder), expected, strict=True):
        assert ours == theirs


# Versions and secrets


def test_every_image_is_pinned():
    images = [image for file in FILES for one in yamlfile.read(file) for image in find(one.body, "image")]
    images += [uri for file in FILES for one in yamlfile.read(file) for uri in find(one.body, "storageUri")]
    assert len(images) >= 8
    for image in images:
        name, tag = image.rsplit(":", 1)
        assert "/" in name
        assert re.search(r"\d", tag)
        assert tag not in ("latest", "main", "stable")


def test_the_portal_has_one_version():
    images = [one["image"] for one in containers(rendered("infrastructure/overlays/openshift"))]
    assert {image.rsplit(":")[-1] for image in images if "litemaas" in image} == {"0.4.0"}


def test_local_and_openshift_run_the_same_images():
    local, openshift = ({one["image"] for one in containers(rendered(folder))} for folder in INFRASTRUCTURE)
    assert local == openshift
    assert "quay.io/rh-aiservices-bu/litellm-non-root:main-v1.81.0-stable-custom" in local
    (model,) = {one["image"] for one in containers(rendered("models/overlays/local"))}
    assert model.startswith("maas-lab/llamacpp:")


def test_no_secret_is_committed():
    for file in FILES:
        for document in yamlfile.read(file):
            if document.body.get("kind") == "Secret":
                assert not {"data", "stringData"} & set(document.body), file
    for file in ROOT.rglob("*"):
        if file.is_file():
            assert not re.search(r"sk-\w{8}|ltm_admin_\w|BEGIN .*KEY|\b[0-9a-f]{32}\b", file.read_text()), file


def test_the_documented_step_makes_good_secrets():
    found = {(one["metadata"]["name"], key): value for one in secrets() for key, value in one["stringData"].items()}
    assert re.fullmatch("[0-9a-f]{48}", found["postgres-secret", "password"])  # trap (d): it is part of an address
    assert found["backend-secret", "admin-api-keys"].startswith("ltm_admin_")  # trap (c)
    assert found["litellm-secret", "master-key"].startswith("sk-")
    assert len({value for value in found.values() if len(value) > 20}) == len(found) - 2  # but the two user names
    again = subprocess.run(["sh", str(ROOT / "secrets.sh")], capture_output=True, text=True, check=True).stdout
    assert not [value for value in found.values() if len(value) > 20 and value in again]


# What refers to what


@pytest.mark.parametrize("folder", DEPLOYED)
def test_selectors_match(folder):
    objects = rendered(folder)
    for one in of(objects, *WORKLOADS):
        assert within(one["spec"]["selector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"])
    for one in of(objects, "Service"):
        assert sum(within(one["spec"]["selector"], labels) for labels in labels_of(objects)) == 1
    for one in of(objects, "NetworkPolicy"):
        wanted = one["spec"]["podSelector"].get("matchLabels", {})
        models = [{"serving.kserve.io/inferenceservice": isvc["metadata"]["name"]} for isvc in models_of(objects)]
        assert not wanted or any(within(wanted, labels) for labels in labels_of(objects) + models)


def models_of(objects):
    return of(objects, "InferenceService")


@pytest.mark.parametrize("folder", DEPLOYED)
def test_named_ports_exist(folder):
    objects = rendered(folder)
    for service in of(objects, "Service"):
        (workload,) = [
            one
            for one in of(objects, *WORKLOADS)
            if within(service["spec"]["selector"], one["spec"]["template"]["metadata"]["labels"])
        ]
        ports = {port["name"] for container in pod(workload)["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for route in of(objects, "Route"):
        service = named(objects, "Service", route["spec"]["to"]["name"])
        assert route["spec"]["port"]["targetPort"] in {port["name"] for port in service["spec"]["ports"]}
    for container in containers(objects):
        known = {port.get("name") for port in container.get("ports", [])}
        known |= {port["containerPort"] for port in container.get("ports", [])}
        probes = [container[field] for field in container if field.endswith("Probe")]
        assert {port for probe in probes for port in find(probe, "port")} <= known
    for policy in of(objects, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        pods = [one for one in of(objects, *WORKLOADS) if within(wanted, one["spec"]["template"]["metadata"]["labels"])]
        names = {port["name"] for one in pods for container in pod(one)["containers"] for port in container["ports"]}
        assert {port for port in find(policy["spec"].get("ingress", []), "port") if isinstance(port, str)} <= names


@pytest.mark.parametrize("folder", DEPLOYED)
def test_everything_that_is_referred_to_exists(folder):
    objects = rendered(folder)
    known = dict(MADE_BY_THE_CLUSTER)
    known |= {("Secret", one["metadata"]["name"]): set(one["stringData"]) for one in secrets()}
    known |= {("ConfigMap", one["metadata"]["name"]): set(one["data"]) for one in of(objects, "ConfigMap")}
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        for reference in find(objects, field):
            assert reference["key"] in known[kind, reference["name"]]
    for reference in (*find(objects, "configMapRef"), *find(objects, "configMap")):
        assert ("ConfigMap", reference["name"]) in known
    for claim in find(objects, "persistentVolumeClaim"):
        assert named(objects, "PersistentVolumeClaim", claim["claimName"])
    for account in find(objects, "kubernetes.io/service-account.name"):
        assert named(objects, "ServiceAccount", account)
    for one in of(objects, *WORKLOADS, "ServingRuntime"):
        spec = pod(one)
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mounts in find(spec, "volumeMounts") for mount in mounts} == volumes
    for model in models_of(objects):
        runtime = named(objects, "ServingRuntime", model["spec"]["predictor"]["model"]["runtime"])
        formats = {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
        assert model["spec"]["predictor"]["model"]["modelFormat"]["name"] in formats


@pytest.mark.parametrize("folder", DEPLOYED)
def test_variables_stand_above_those_that_use_them(folder):
    used = 0
    for container in containers(rendered(folder)):
        above = set()
        for entry in container.get("env", []):
            wanted = set(re.findall(r"\$\((\w+)\)", entry.get("value", "")))
            assert wanted <= above
            above.add(entry["name"])
            used += len(wanted)
            assert ("value" in entry) != ("valueFrom" in entry)
    assert used or "infrastructure" not in folder


@pytest.mark.parametrize(
    ("infrastructure", "models"),
    [("local", "local"), *(("openshift", f"openshift-{on}") for on in ("gpu", "gpu-w4a16", "cpu"))],
)
def test_the_client_finds_gateway_portal_and_model(infrastructure, models):
    objects = rendered(f"infrastructure/overlays/{infrastructure}")
    data = named(objects, "ConfigMap", "maas-lab")["data"]
    assert named(objects, "Route", data["gateway-route"])["spec"]["to"]["name"] == "litellm"
    if infrastructure == "openshift":
        assert named(objects, "Route", data["portal-route"])["spec"]["to"]["name"] == "frontend"
    assert data["gateway-secret-key"] in named(secrets(), "Secret", data["gateway-secret"])["stringData"]
    assert {"username", "password"} <= set(named(secrets(), "Secret", data["database-secret"])["stringData"])
    assert named(objects, "Service", data["database-service"])["spec"]["ports"][0]["port"] == 5432
    gateway = named(objects, "Deployment", "litellm")["spec"]["template"]["spec"]["containers"][0]
    assert f"/{data['database-name']}" in next(one["value"] for one in gateway["env"] if one["name"] == "DATABASE_URL")
    model = named(rendered(f"models/overlays/{models}"), "InferenceService", data["model"])
    assert model["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"


def test_what_stands_for_a_gpu_is_what_nodes_offer_and_models_ask_for():
    def resource(overlay):
        return named(rendered(f"infrastructure/overlays/{overlay}"), "ConfigMap", "maas-lab")["data"]["gpu-resource"]

    (model,) = models_of(rendered("models/overlays/openshift-gpu"))
    assert resource("openshift") in model["spec"]["predictor"]["model"]["resources"]["limits"]
    assert resource("local") == SLOT


def test_the_served_name_is_the_name_of_the_inferenceservice():
    for overlay in ("openshift-gpu", "openshift-gpu-w4a16", "openshift-cpu"):
        (runtime,) = of(rendered(f"models/overlays/{overlay}"), "ServingRuntime")
        assert "--served-model-name={{.Name}}" in runtime["spec"]["containers"][0]["args"]
    (runtime,) = of(rendered("models/overlays/local"), "ServingRuntime")
    assert {"name": "LLAMA_ARG_ALIAS", "value": "{{.Name}}"} in runtime["spec"]["containers"][0]["env"]


# What Kubernetes and OpenShift ask for


@pytest.mark.parametrize("folder", DEPLOYED)
def test_probes_and_resources_are_there(folder):
    for container in containers(rendered(folder), init=False):
        assert {"livenessProbe", "readinessProbe"} <= set(container)
    for container in containers(rendered(folder)):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("folder", DEPLOYED)
def test_quantities_are_strings(folder):
    for resources in find(rendered(folder), "resources"):
        for amounts in resources.values():
            assert all(isinstance(amount, str) for amount in amounts.values())


def test_one_gpu_is_asked_for_and_limited():
    (model,) = models_of(rendered("models/overlays/openshift-gpu"))
    predictor = model["spec"]["predictor"]
    resources = predictor["model"]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert predictor["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert predictor["deploymentStrategy"] == {"type": "Recreate"}
    for overlay in ("local", "openshift-cpu"):
        assert "nvidia.com/gpu" not in str(models_of(rendered(f"models/overlays/{overlay}")))


def test_the_quantised_variant_differs_in_its_weights_and_its_title_only():
    plain, quantised = (rendered(f"models/overlays/{name}") for name in ("openshift-gpu", "openshift-gpu-w4a16"))
    (before,), (after,) = models_of(plain), models_of(quantised)
    assert [one for one in plain if one != before] == [one for one in quantised if one != after]
    model, changed = copy.deepcopy(before), after["spec"]["predictor"]["model"]["storageUri"]
    assert changed == f"{before['spec']['predictor']['model']['storageUri']}-quantized.w4a16"
    model["spec"]["predictor"]["model"]["storageUri"] = changed
    model["metadata"]["annotations"]["openshift.io/display-name"] += " (w4a16)"
    assert model == after


@pytest.mark.parametrize("folder", DEPLOYED)
def test_pods_pass_the_restricted_rules_with_any_user_id(folder):
    objects = rendered(folder)
    for one in of(objects, *WORKLOADS, "ServingRuntime"):
        spec = pod(one)
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            context = spec.get("securityContext", {}) | container["securityContext"]
            assert context["runAsNonRoot"] is True
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
    forbidden = [
        "runAsUser",
        "runAsGroup",
        "fsGroup",
        "hostPath",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostPort",
        "privileged",
    ]
    assert [field for field in forbidden for _ in find(objects, field)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_are_allowed(folder):
    for one in rendered(folder):
        name = one["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= (53 if one["kind"] == "InferenceService" else 63)


@pytest.mark.parametrize("folder", DEPLOYED)
def test_objects_are_labelled_and_in_the_namespace(folder):
    for one in rendered(folder):
        assert one["metadata"]["namespace"] == "maas-system"
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "maas"
        if one["kind"] not in ("ConfigMap", "NetworkPolicy"):
            assert {"app.kubernetes.io/name", "app.kubernetes.io/component"} <= set(one["metadata"]["labels"])


@pytest.mark.parametrize("folder", DEPLOYED)
def test_the_namespace_is_a_parameter(folder):
    objects = manifests.render(ROOT / folder, namespace="team-blue")
    assert {one["metadata"]["namespace"] for one in objects} == {"team-blue"}
    addresses = [one for one in objects if one["metadata"]["name"].startswith("portal-addresses")]
    assert "maas-system" not in str([one for one in objects if one not in addresses])


# Traps


@pytest.mark.parametrize("letter", "abcdefg")
def test_a_comment_names_each_trap(letter):
    texts = [file.read_text() for file in ROOT.rglob("*") if file.is_file() and file.name != "README.md"]
    assert any(re.search(rf"# .*[Tt]rap \({letter}\)", text) for text in texts)


def test_the_gateway_makes_its_tables():
    for folder in INFRASTRUCTURE:
        gateway = env(rendered(folder), "Deployment", "litellm")
        assert gateway["DISABLE_SCHEMA_UPDATE"]["value"] == "false"
        assert gateway["STORE_MODEL_IN_DB"]["value"] == "True"


def test_the_portal_trusts_the_cluster_and_nobody_else():
    objects = rendered("infrastructure/overlays/openshift")
    backend = env(objects, "Deployment", "backend")
    assert not set(backend) & {"NODE_TLS_REJECT_UNAUTHORIZED", "K8S_API_SKIP_TLS_VERIFY", "ALLOW_DEV_TOKENS"}
    assert not [name for name in backend if name.startswith("OAUTH_MOCK")]
    assert backend["NODE_ENV"]["value"] == "production"
    assert backend["NODE_EXTRA_CA_CERTS"]["value"] == "/etc/cluster-ca/ca.crt"
    assert named(objects, "Deployment", "backend")["spec"]["replicas"] == 1
    (addresses,) = [one for one in of(objects, "ConfigMap") if one["metadata"]["name"].startswith("portal-addresses-")]
    assert all(address.startswith("https://") for address in addresses["data"].values())
    assert "svc" not in addresses["data"]["LITELLM_API_URL"]  # people use it too
    host = "https://litemaas-maas-system.apps.example.com"
    assert addresses["data"]["OAUTH_CALLBACK_URL"] == f"{host}/api/auth/callback"
    assert addresses["data"]["CORS_ORIGIN"] == host


def test_routes_are_encrypted_on_openshift_and_plain_on_this_machine():
    for route in of(rendered("infrastructure/overlays/openshift"), "Route"):
        assert route["spec"]["tls"] == {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
        assert "host" not in route["spec"]
    for route in of(rendered("infrastructure/overlays/local"), "Route"):
        assert not {"tls", "host"} & set(route["spec"])


def test_the_local_overlays_hold_nothing_to_execute_but_probes():
    for folder in ("infrastructure/overlays/local", "models/overlays/local"):
        objects = rendered(folder)
        assert [one for one in containers(objects) if {"command", "args"} & set(one)] == []
        assert list(find(objects, "initContainers")) == []


def test_two_labs_fit_on_two_cores():
    """With a second copy of whatever is rolled out, so that no pod waits for a place in the middle of a lesson."""
    together = [*rendered("infrastructure/overlays/local"), *rendered("models/overlays/local")]
    wanted = 0
    for one in of(together, *WORKLOADS, "ServingRuntime"):
        (container,) = pod(one)["containers"]
        cpu = container["resources"]["requests"]["cpu"]
        assert cpu.endswith("m")
        wanted += int(cpu.removesuffix("m")) * (1 if one["kind"] == "StatefulSet" else 2)
    assert 2 * wanted <= 2000


def test_pods_are_closed_unless_a_policy_opens_them():
    policies = of(rendered("infrastructure/overlays/openshift"), "NetworkPolicy")
    (closed,) = [one for one in policies if one["spec"]["podSelector"] == {}]
    assert "ingress" not in closed["spec"]
    opened = {one["metadata"]["name"] for one in policies} - {"default-deny"}
    workloads = of(rendered("infrastructure/overlays/openshift"), *WORKLOADS)
    assert opened == {one["metadata"]["name"] for one in workloads}
    (model,) = of(rendered("models/overlays/openshift-gpu"), "NetworkPolicy")
    callers = [one["app.kubernetes.io/name"] for one in find(model, "matchLabels") if "app.kubernetes.io/name" in one]
    assert callers == ["litellm", "backend"]


# GitOps


def test_applications_follow_folders_that_render():
    objects = rendered("gitops")
    (project,) = of(objects, "AppProject")
    for application in of(objects, "Application"):
        spec = application["spec"]
        followed = manifests.render(ROOT.parent / spec["source"]["path"])
        allowed = {(one["group"], one["kind"]) for one in project["spec"]["namespaceResourceWhitelist"]}
        used = {(one["apiVersion"].rpartition("/")[0], one["kind"]) for one in followed}
        assert used <= allowed
        assert {one["metadata"]["namespace"] for one in followed} == {spec["destination"]["namespace"]}
        assert spec["destination"] in project["spec"]["destinations"]
        assert [spec["source"]["repoURL"]] == project["spec"]["sourceRepos"]
        assert spec["project"] == project["metadata"]["name"]
    assert project["spec"]["clusterResourceWhitelist"] == []
    files = [ROOT / "gitops" / f"{name}.yaml" for name in ("infrastructure", "models")]
    for source in (yamlfile.read(file)[0].body["spec"]["source"] for file in files):
        assert set(source.values()) == {"set-by-kustomization.yaml"}  # so that one file has all parameters


def test_the_project_of_a_namespace_names_no_other_and_allows_what_the_platforms_does():
    [project], [platforms] = (of(rendered(folder), "AppProject") for folder in (TEMPLATE, "gitops"))
    assert [project["metadata"][part] for part in ("name", "namespace")] == [EXAMPLE, "openshift-gitops"]
    assert json.loads(json.dumps(project).replace(EXAMPLE, "mine")) == own_project(ROOT, "mine")
    spec = project["spec"]
    assert spec["sourceNamespaces"] == [EXAMPLE]
    assert spec["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": EXAMPLE}]
    for part in ("clusterResourceWhitelist", "namespaceResourceWhitelist", "orphanedResources"):
        assert spec[part] == platforms["spec"][part]


def test_the_database_comes_first():
    objects = rendered("infrastructure/overlays/openshift")
    waves = {one["metadata"]["name"]: one["metadata"]["annotations"] for one in of(objects, *WORKLOADS)}
    waves = {name: int(annotations["argocd.argoproj.io/sync-wave"]) for name, annotations in waves.items()}
    assert waves == {"postgres": 0, "litellm": 1, "backend": 2, "frontend": 2}


def test_the_readme_tells_how_to_apply_each_folder():
    text = (ROOT / "README.md").read_text()
    assert f"kubectl kustomize manifests/{TEMPLATE} | sed 's/{EXAMPLE}/NAMESPACE/' | kubectl apply -f -\n" in text
    for folder in [one for one in FOLDERS if one != TEMPLATE]:
        assert f"kubectl apply -k manifests/{folder}\n" in text
    for one in secrets():
        assert f"`{one['metadata']['name']}`" in text
