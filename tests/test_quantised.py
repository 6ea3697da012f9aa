"""The model in other precisions: how the weights are made, which image serves which, and what the real servers say."""

import hashlib
from functools import partial
from pathlib import Path

import httpx
import pytest

from maas_lab import manifests, settings, wait
from maas_lab.errors import EnvironmentFault, InstallError, UsageError
from maas_lab.local import packages, processes, quantised
from maas_lab.local import runtime as installation
from maas_lab.local.images import Container
from maas_lab.local.programs import catalogue, llamacpp
from maas_lab.local.runtime import Runtime
from maas_lab.quantisation import PRECISION
from maas_lab.quantisation.answers import Agreement, agreement

MODELS = Path(__file__).parents[1] / "manifests" / "models" / "overlays"
PARAMETERS = 134_515_008
SHIPPED = "Q4_1"


def silent(text, done, total):
    pass


def services(overlay):
    return [one for one in manifests.render(MODELS / overlay) if one["kind"] == "InferenceService"]


def precision_of(service):
    return service["metadata"]["annotations"][PRECISION]


# How they are made


def test_they_are_made_only_when_a_pod_asks(tmp_path):
    target = Runtime(tmp_path)
    images = catalogue(target, settings.load())
    assert "quantised" not in target.missing()  # no part of what `./lab up` installs
    assert images.find(llamacpp.REFERENCE).pull is None
    assert images.find(llamacpp.reference("Q8_0")).pull
    for file in (target.python, target.model, target.weights("F16")):
        file.parent.mkdir(parents=True)
        file.touch()
    assert catalogue(target, settings.load()).find(llamacpp.reference("Q8_0")).pull is None


def test_a_precision_that_there_is_not_cannot_be_pulled(tmp_path):
    assert catalogue(Runtime(tmp_path), settings.load()).find(llamacpp.reference("Q2_K")) is None


def test_what_they_are_made_from_names_them(tmp_path, monkeypatch):
    before = Runtime(tmp_path).weights("F16")
    changed = tmp_path / "quantise.py"
    changed.write_bytes(quantised.QUANTISE.read_bytes() + b"\n")
    monkeypatch.setattr(quantised, "QUANTISE", changed)
    assert Runtime(tmp_path).weights("F16") != before


def test_a_disk_without_room_is_told_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(quantised, "NEEDED", 10**18)
    with pytest.raises(EnvironmentFault, match="no space left for the model's other precisions"):
        quantised.build(tmp_path, Runtime(tmp_path), silent)


def test_a_failed_download_says_that_the_cluster_tries_again(tmp_path, monkeypatch):
    def offline(*arguments, **named):
        raise InstallError("the package index cannot be reached", "timed out", "./lab up goes on")

    monkeypatch.setattr(packages, "pip_install", offline)
    with pytest.raises(InstallError) as caught:
        quantised.build(tmp_path, Runtime(tmp_path), silent)
    assert caught.value.why == "timed out"
    assert "tries again by itself" in caught.value.hint


def test_weights_that_are_not_the_tested_ones_are_refused(tmp_path, runtime, monkeypatch):
    """The quantiser runs, and its files are compared with what they should be."""
    installation.install(runtime.folder, silent, ("quantised",))
    made = runtime.weights("Q4_0").read_bytes()
    assert hashlib.sha256(made).hexdigest() == quantised.WEIGHTS["Q4_0"]

    def spoiled(argv, doing):
        (Path(argv[5]) / "Q4_0.gguf").write_bytes(made[:-1] + bytes([made[-1] ^ 1]))

    monkeypatch.setattr(quantised, "WEIGHTS", {"Q4_0": quantised.WEIGHTS["Q4_0"]})
    monkeypatch.setattr(packages, "pip_install", lambda *arguments, into: into.mkdir())
    monkeypatch.setattr(quantised, "run", spoiled)
    with pytest.raises(InstallError, match="not the file that this lab was tested with"):
        quantised.build(tmp_path, runtime, silent)


def test_what_made_them_is_gone_and_they_are_there(runtime):
    installation.install(runtime.folder, silent, ("quantised",))
    folder = runtime.weights("F16").parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gguf" for name in quantised.WEIGHTS)
    assert 4.5e8 < sum(path.stat().st_size for path in folder.iterdir()) < 5.5e8


# Which image serves which


@pytest.mark.parametrize("overlay", ["local-quantised", "openshift-gpu-quantised"])
def test_the_servers_of_an_overlay_differ_in_name_and_weights_only(overlay):
    found = services(overlay)
    names = [precision_of(one) for one in found]
    assert len(set(names)) == len(names) > 1
    for one, precision in zip(found, names, strict=True):
        meta, model = one["metadata"], one["spec"]["predictor"]["model"]
        assert meta["name"].endswith(precision.lower().replace("_", "-"))
        assert meta["annotations"].pop("openshift.io/display-name").endswith(precision)
        meta["annotations"].pop(PRECISION)
        assert meta["labels"].pop("app.kubernetes.io/name") == meta.pop("name")
        assert [model.pop(field) for field in ("image", "storageUri") if field in model]
    assert all(one == found[0] for one in found)


def test_each_image_of_the_local_overlay_holds_what_its_server_says():
    images = {precision_of(one): one["spec"]["predictor"]["model"]["image"] for one in services("local-quantised")}
    assert images.pop(SHIPPED) == llamacpp.REFERENCE
    assert images == {precision: llamacpp.reference(precision) for precision in quantised.WEIGHTS}


# The real ones


@pytest.fixture(scope="module")
def told(runtime, tmp_path_factory):
    """What each real server tells of its weights, and what it answers."""
    installation.install(runtime.folder, silent, ("quantised",))
    images, found = catalogue(runtime, settings.load()), {}
    for number, precision in enumerate((*quantised.WEIGHTS, SHIPPED)):
        image = images.find(llamacpp.REFERENCE if precision == SHIPPED else llamacpp.reference(precision))
        folder = tmp_path_factory.mktemp(precision)
        env = {"LLAMA_ARG_N_PARALLEL": "1", "LLAMA_ARG_CTX_SIZE": "512"}
        program = image.program(Container(env, {8080: 18640 + number}, {}, folder))
        process = processes.spawn(program.argv, program.env, program.cwd, folder / "log")
        try:
            found[precision] = _asked(f"http://127.0.0.1:{18640 + number}", folder / "log")
        finally:
            processes.end(process)
    return found


def _asked(url, log):
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as server:
        ready = partial(_answers, server)
        wait.until(ready, what=f"the server of {log}", timeout=60, transient=(httpx.TransportError,))
        (model,) = server.get("/v1/models").json()["data"]
        messages = [{"role": "user", "content": "Name three colours."}]
        question = {"messages": messages, "max_tokens": 16, "temperature": 0}
        answers = [server.post("/v1/chat/completions", json=question).json() for _ in range(2)]
        texts = [one["choices"][0]["message"]["content"] for one in answers]
        assert texts[0] == texts[1], "a greedy answer is always the same"
        return model["meta"], texts[0]


def _answers(server):
    return server.get("/health").status_code == 200


def test_each_server_has_the_bits_of_its_precision(told):
    bits = {precision: 8 * meta["size"] / meta["n_params"] for precision, (meta, _) in told.items()}
    assert {meta["n_params"] for meta, _ in told.values()} == {PARAMETERS}
    # Q8_0 and Q4_0 hold a scale of 16 bits for each 32 weights; the shipped file keeps its embeddings in Q8_0.
    expected = {"F16": 16.0, "Q8_0": 8.5, "Q4_0": 4.5, "Q4_1": 5.7}
    assert {name: round(value, 1) for name, value in bits.items()} == expected


def test_every_precision_answers_in_words(told):
    assert all(len(text.split()) > 5 for _, text in told.values())


# Whether they say the same


@pytest.mark.parametrize(
    ("reference", "others", "answers", "words"),
    [
        (["a b c", "d"], ["a b c", "d"], 1.0, 1.0),
        (["a b c d"], ["a b x d"], 0.0, 0.5),  # what follows the first difference does not count
        (["a b"], ["a b c"], 0.0, 1.0),
        (["a b", "c d"], ["a b", "x d"], 0.5, 0.5),
        (["a b c"], [""], 0.0, 0.0),
        ([""], [""], 1.0, 1.0),
        (["a  b"], ["a b"], 0.0, 1.0),
    ],
)
def test_agreement(reference, others, answers, words):
    assert agreement(reference, others) == Agreement(answers, words)


@pytest.mark.parametrize(("reference", "others"), [([], []), (["a"], []), ("a", "a"), (["a"], "a")])
def test_answers_that_cannot_be_compared(reference, others):
    with pytest.raises(UsageError, match="cannot be compared"):
        agreement(reference, others)
