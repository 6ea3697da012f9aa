"""Genuine vLLM: what holds before it is installed, and, where MAAS_LAB_VLLM=1 is set, the real one in the cluster.

    MAAS_LAB_VLLM=1 python -m pytest tests/test_vllm.py

takes five minutes, 4 GB of disk and 4 GiB of memory, and pip must know PyTorch's index of CPU wheels.
"""

import os
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from maas_lab import manifests, wait
from maas_lab.client import ask, openai_client
from maas_lab.errors import EnvironmentFault, InstallError, UsageError
from maas_lab.local import runtime as installation
from maas_lab.local import vllm as part
from maas_lab.local.images import Container
from maas_lab.local.packages import pinned
from maas_lab.local.probes import listening_ports
from maas_lab.local.programs import llamacpp, pulling, vllm
from maas_lab.local.runtime import Runtime
from maas_lab.settings import NAMESPACE

MODELS = Path(__file__).parents[1] / "manifests" / "models" / "overlays"
KEY = "sk-test-vllm-0a1b2c3d"
REAL = pytest.mark.skipif(os.environ.get("MAAS_LAB_VLLM") != "1", reason="installs 2.6 GB: MAAS_LAB_VLLM=1 asks for it")


def silent(text, done, total):
    pass


def program(folder, **env):
    return vllm.program(Runtime(folder / "runtime"), Container(env, {8080: 4711}, {}, folder))


def test_it_is_pulled_only_where_it_is_missing(tmp_path):
    target = Runtime(tmp_path)
    assert vllm.image(target).pull
    assert "vllm" not in target.missing()  # no part of what `./lab up` installs
    for file in (target.model, target.vllm_python):
        file.parent.mkdir(parents=True)
        file.touch()
    assert vllm.image(target).pull is None


def test_what_it_is_made_from_names_it(tmp_path, monkeypatch):
    before = Runtime(tmp_path).vllm_python
    changed = tmp_path / "torch-cpu.txt"
    changed.write_bytes(part.TORCH_LOCK.read_bytes() + b"\n")
    monkeypatch.setattr(part, "TORCH_LOCK", changed)
    assert Runtime(tmp_path).vllm_python != before


def test_the_locks_hold_pytorch_once_and_without_cuda():
    names = [one.name for lock in (part.TORCH_LOCK, part.VLLM_LOCK) for one in pinned(lock)]
    assert names.count("torch") == 1
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
    assert [str(one.specifier) for one in pinned(part.TORCH_LOCK)] == ["==2.13.0+cpu"]


def test_the_manifest_chooses_name_key_and_sizes(tmp_path):
    env = {"SERVED_MODEL_NAME": "-tiny", "VLLM_API_KEY": KEY, "MAX_MODEL_LEN": "512", "PYTHONPATH": "/x", "HOME": "/y"}
    made = program(tmp_path, **env)
    flags = dict(flag[2:].split("=", 1) for flag in made.argv if flag.startswith("--") and "=" in flag)
    assert (flags["served-model-name"], flags["max-model-len"], flags["port"]) == ("-tiny", "512", "4711")
    assert flags["host"] == made.env["VLLM_HOST_IP"] == "127.0.0.1"
    assert (made.env["VLLM_API_KEY"], made.env["VLLM_CPU_KVCACHE_SPACE"]) == (KEY, "1")
    assert KEY not in " ".join(made.argv)
    assert made.env["HOME"] == made.env["TMPDIR"] == str(tmp_path)
    assert "PYTHONPATH" not in made.env


@pytest.mark.parametrize("name", ["MAX_MODEL_LEN", "VLLM_CPU_KVCACHE_SPACE"])
@pytest.mark.parametrize("value", ["0", "0.5", "-1", "four"])
def test_it_says_which_variable_is_wrong(tmp_path, name, value):
    with pytest.raises(UsageError, match=name):
        program(tmp_path, **{name: value}).prepare(lambda seconds: None)


def test_the_overlay_only_changes_what_serves_the_model():
    local, with_vllm = (manifests.render(MODELS / name) for name in ("local", "local-vllm"))
    (runtime,) = [one for one in with_vllm if one["kind"] == "ServingRuntime"]
    (container,) = runtime["spec"]["containers"]
    assert container["image"] == vllm.REFERENCE
    assert {one["name"] for one in container["env"]} <= set(vllm.KNOWN)
    models = [next(one for one in objects if one["kind"] == "InferenceService") for objects in (local, with_vllm)]
    chosen = [one["spec"]["predictor"]["model"] for one in models]
    assert [one.pop("runtime") for one in chosen] == ["llamacpp", runtime["metadata"]["name"]]
    assert [one.pop("modelFormat") for one in chosen] == [{"name": "gguf"}, {"name": "vLLM"}]
    assert models[0] == models[1]


def test_a_download_is_told_now_and_then():
    told, clock = [], [0.0]
    report = pulling.seldom(told.append, lambda: clock[-1])
    for text, done, now in [("a", 1, 0.0), ("b", 2, 9.9), ("c", 3, 10.0), ("d", 0, 10.1), ("e", 4, 20.0)]:
        clock.append(now)
        report(text, done, 4 if done else 0)
    assert told == ["a (1 of 4)", "c (3 of 4)", "d"]


def test_machines_that_it_is_not_made_for():
    part.refuse_machine("linux", "aarch64")
    for system, machine in (("darwin", "arm64"), ("linux", "ppc64le")):
        with pytest.raises(InstallError, match="cannot run on this machine") as caught:
            part.refuse_machine(system, machine)
        assert machine in caught.value.why


def test_a_disk_without_room_is_told_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(part, "NEEDED", 10**18)
    with pytest.raises(EnvironmentFault, match="no space left for vLLM"):
        installation.install(tmp_path, silent, ["vllm"])
    assert Runtime(tmp_path).missing(["vllm"]) == ["vllm"]


def test_who_lacks_pytorchs_index_is_told_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InstallError) as caught:
        installation.install(tmp_path, silent, ["vllm"])
    assert "torch==2.13.0+cpu" in caught.value.why
    assert "pip config set global.extra-index-url" in caught.value.hint
    assert Runtime(tmp_path).missing(["vllm"]) == ["vllm"]


# The real one


def serving(stack, image):
    """The containers of an image that are Ready."""
    pods = stack.platform.cluster.list("Pod", NAMESPACE)
    told = [one for pod in pods for one in pod["status"].get("containerStatuses", ())]
    return [one for one in told if one["image"] == image and one["ready"]]


def family(stack, image):
    """The processes of the one container of an image."""
    (container,) = serving(stack, image)
    process = psutil.Process(int(container["containerID"].removeprefix("process://")))
    return [process, *process.children(recursive=True)]


@pytest.fixture
def served_by_vllm(stack):
    """The stack while its model is served by vLLM; afterwards llama.cpp is back."""
    cluster = stack.platform.cluster
    cluster.apply(MODELS / "local-vllm", force=True)
    try:
        # The InferenceService stays Ready meanwhile: llama.cpp serves it.
        wait.until(lambda: serving(stack, vllm.REFERENCE), what="vLLM", timeout=1500)
        wait.until(lambda: not serving(stack, llamacpp.REFERENCE), what="the end of llama.cpp", timeout=60)
        yield stack
    finally:
        cluster.apply(MODELS / "local", force=True)
        wait.until(lambda: serving(stack, llamacpp.REFERENCE), what="llama.cpp", timeout=120)
        wait.until(lambda: not serving(stack, vllm.REFERENCE), what="the end of vLLM", timeout=60)
        cluster.delete("servingruntime/vllm-cpu-local", NAMESPACE)


@REAL
def test_the_model_is_served_by_vllm_and_nothing_else_changes(served_by_vllm):
    stack, cluster = served_by_vllm, served_by_vllm.platform.cluster
    secret = cluster.secret("model-secret", "api-key", NAMESPACE).reveal()
    key = stack.gateway.create_key("test-vllm", models=[stack.model])
    try:
        answer = ask(openai_client(stack.url, key), "What is the capital of France?", model=stack.model, max_tokens=16)
        assert stack.gateway.spend_row(answer.id).cost > 0
    finally:
        stack.gateway.delete_key(key)
    backend = cluster.get("InferenceService", stack.model, NAMESPACE)["status"]["address"]["url"]
    metrics = httpx.get(f"{backend}/metrics", trust_env=False).text
    assert f'vllm:generation_tokens_total{{engine="0",model_name="{stack.model}"}}' in metrics
    assert httpx.get(f"{backend}/v1/models", trust_env=False).status_code == 401
    members = family(stack, vllm.REFERENCE)
    listening = [one.laddr.ip for member in members for one in member.net_connections("tcp") if one.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}
    assert listening_ports(members[0])
    with suppress(psutil.NoSuchProcess):
        assert secret not in " ".join(part for member in members for part in member.cmdline())
    events = [one.message for one in cluster.events(NAMESPACE)]
    assert [text for text in events if text.startswith(f'Successfully pulled image "{vllm.REFERENCE}"')] or [
        text for text in events if text == f'Container image "{vllm.REFERENCE}" already present on machine'
    ]


@REAL
def test_what_a_killed_vllm_leaves_behind_ends_as_well(served_by_vllm):
    """Its engine and its worker are processes of their own, hold 3 GB, and do not notice."""
    before = family(served_by_vllm, vllm.REFERENCE)
    before[0].kill()
    _, alive = psutil.wait_procs(before, timeout=20)
    assert alive == []
    wait.until(lambda: serving(served_by_vllm, vllm.REFERENCE), what="vLLM again", timeout=300)
    (container,) = serving(served_by_vllm, vllm.REFERENCE)
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["exitCode"] == 137
