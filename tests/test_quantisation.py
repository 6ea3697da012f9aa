"""One model in several precisions: what its servers tell, what the checks say to wrong answers, and the real ones."""

import uuid
from collections import Counter
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from maas_lab import capacity, checks, manifests, platform_secrets, plots, quantisation, wait
from maas_lab.errors import NotAllowed, NotDoneYet, NotFound, NotQuite, UsageError
from maas_lab.local.programs import llamacpp
from maas_lab.objects import KubeObject
from maas_lab.quantisation import PRECISION, Measured, Server, measure, refuse_gpus, servers
from maas_lab.quantisation.servers import Weights, weights
from maas_lab.tables import Text

MODELS = Path(__file__).parents[1] / "manifests" / "models" / "overlays"
BYTES = {"F16": 269_100_288, "Q8_0": 143_025_408, "Q4_1": 96_576_768, "Q4_0": 75_785_472}
PARAMETERS = 134_515_008
MEMORY = {"F16": 360, "Q8_0": 234, "Q4_1": 188, "Q4_0": 243}
WORDS = {"F16": 1.0, "Q8_0": 0.7, "Q4_1": 0.9, "Q4_0": 0.1}
TABLE = pd.DataFrame(
    {
        "precision": name,
        "bytes": size,
        "parameters": PARAMETERS,
        "memory": MEMORY[name] * 10**6,
        "tokens_per_second": 50.0,
        "same_answers": WORDS[name],
        "same_words": WORDS[name],
    }
    for name, size in BYTES.items()
)
ANSWERS = pd.DataFrame(
    {"question": "What is a GPU?", "precision": name, "text": "A GPU is fast.", "tokens": 5, "seconds": 0.1}
    for name in BYTES
)
MEASURED = Measured(TABLE, ANSWERS, "F16")
BITS = {name: 8 * size / PARAMETERS for name, size in BYTES.items()}


class Cluster:
    """A cluster with model servers, and the log of one."""

    def __init__(self, *services, log=""):
        self.services, self.log = services, log

    def list(self, kind, namespace):
        assert (kind, namespace) == ("InferenceService", "mine")
        return self.services

    def logs(self, pod, namespace):
        if isinstance(self.log, Exception):
            raise self.log
        return Text(self.log)


def service(name, precision=""):
    annotations = {"annotations": {PRECISION: precision}} if precision else {}
    return KubeObject(kind="InferenceService", metadata={"name": name, **annotations})


def listing(**told):
    return SimpleNamespace(models=SimpleNamespace(list=lambda: SimpleNamespace(data=[SimpleNamespace(**told)])))


# What the servers tell


def test_the_servers_that_say_their_precision():
    found = servers(Cluster(service("a", "F16"), service("b"), service("c", "Q4_0")), "mine")
    assert found == [Server("F16", "a", "mine"), Server("Q4_0", "c", "mine")]
    with pytest.raises(NotFound, match="no model server in mine says its precision") as caught:
        servers(Cluster(service("b")), "mine")
    assert 'lab.overlay("quantised")' in caught.value.hint


@pytest.mark.parametrize(
    ("told", "log", "expected"),
    [
        ({"meta": {"size": 96576768, "n_params": 134515008}}, "", Weights(96576768, 134515008)),
        ({}, "INFO 11-28 Model loading took 15.25 GiB memory and 8.1 seconds\n", Weights(16374562816, None)),
        ({"meta": None}, "nothing of that kind", Weights(None, None)),
        ({}, NotAllowed("you may not get pods/log", hint="ask"), Weights(None, None)),
    ],
)
def test_weights_as_llamacpp_and_as_vllm_tell_them(told, log, expected):
    lab = SimpleNamespace(cluster=Cluster(log=log))
    assert weights(lab, Server("x", "a", "mine"), listing(**told)) == expected


def test_gpus_are_taken_only_where_somebody_has_agreed():
    refuse_gpus(manifests.render(MODELS / "local-quantised"))
    on_gpus = manifests.render(MODELS / "openshift-gpu-quantised")
    with pytest.raises(UsageError, match="would take real GPUs") as caught:
        refuse_gpus(on_gpus)
    assert caught.value.why == "2 model servers ask for nvidia.com/gpu, one each"
    refuse_gpus(on_gpus, agreed=True)


@pytest.mark.parametrize(
    "wrong", [{"questions": []}, {"questions": "one text"}, {"max_tokens": 1}, {"reference": "Q2_K"}]
)
def test_a_measurement_that_cannot_be_made_is_refused_before_any_call(wrong):
    lab = SimpleNamespace(cluster=Cluster(service("a", "F16")))
    with pytest.raises(UsageError) as caught:
        measure(lab, "mine", **{"questions": ["Why?"], **wrong})
    assert caught.value.hint


# What the checks say


@pytest.fixture
def asked(monkeypatch):
    """The servers answer as they were measured; no hint has been asked for."""
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    monkeypatch.setattr("maas_lab.checks.summary.ask", lambda client, question, **_: SimpleNamespace(text="A GPU is."))
    monkeypatch.setattr(
        "maas_lab.checks.summary.weights", lambda lab, one, client: Weights(BYTES[one.precision], PARAMETERS)
    )
    cluster = Cluster(*(service(name.lower(), name) for name in BYTES))
    return SimpleNamespace(cluster=cluster, direct_client=lambda name, namespace: nullcontext(None))


def told(check, *arguments):
    with pytest.raises(NotQuite) as error:
        check(*arguments)
    assert error.value.hint
    return "\n".join(error.value.lines())


RIGHT = ["w8a8", "w4a16"]


@pytest.mark.parametrize(
    ("fitting", "most", "says"),
    [
        (["bf16", *RIGHT], 5, "wrong about bf16"),
        (["w4a16"], 5, "wrong about w8a8"),
        ([*RIGHT, "fp8"], 5, "'fp8' is none of bf16, w8a8, w4a16"),
        ("w4a16", 5, "`fitting` is a str"),
        (None, 5, "`fitting` is a NoneType"),
        (RIGHT, 8, "`most` is 8"),
        (RIGHT, 5.6, "whole numbers"),
        (RIGHT, "5", "not a number"),
    ],
)
def test_what_does_not_fit(asked, fitting, most, says):
    assert says in told(checks.fitting, 24, 8, 4096, fitting, most)


def test_what_fits_is_computed_for_the_card_that_was_chosen(asked, capsys):
    checks.fitting(24, 8, 4096, RIGHT, 5)
    checks.fitting(80, 8, 4096, ["bf16", *RIGHT], capacity.fits(capacity.GRANITE_3_1_8B, "bf16", 80, 8, 4096).users_max)
    assert capsys.readouterr().out.startswith("Exercise 5.1 is right: bf16 has room for 5 calls of 8;")


@pytest.mark.parametrize(
    ("bits", "closest", "says"),
    [
        ({name: value / 8 for name, value in BITS.items()}, "Q4_1", "bytes per weight, not bits"),
        (BITS | {"Q8_0": 8.0}, "Q4_1", "`bits` says 8.0 for Q8_0"),
        ({"F16": 16.0}, "Q4_1", "`bits` says nothing of Q8_0"),
        (16.0, "Q4_1", "`bits` says nothing of F16"),
        (BITS | {"F16": "16"}, "Q4_1", "not a number"),
        (BITS, "F16", "the reference itself"),
        (BITS, "Q8_0", "another one keeps more"),
        (BITS, "Q2_K", "one of Q8_0, Q4_1, Q4_0"),
        (BITS, 3, "`closest` is 3"),
    ],
)
def test_wrong_bits_and_a_wrong_neighbour(asked, bits, closest, says):
    assert says in told(checks.precisions, asked, "mine", MEASURED, bits, closest)


def test_a_server_that_has_changed_since_is_told(asked, monkeypatch):
    monkeypatch.setattr("maas_lab.checks.summary.ask", lambda *_, **named: SimpleNamespace(text="Something else."))
    assert "another answer now" in told(checks.precisions, asked, "mine", MEASURED, BITS, "Q4_1")


@pytest.mark.parametrize("bits", [BITS, pd.Series(BITS)])
def test_right_bits_in_a_dictionary_or_a_column(asked, bits, capsys):
    checks.precisions(asked, "mine", MEASURED, bits, "Q4_1")
    assert "F16 16.0, Q8_0 8.5, Q4_1 5.7, Q4_0 4.5 bits per weight" in capsys.readouterr().out


def test_blanks(asked):
    with pytest.raises(NotDoneYet):
        checks.fitting(24, 8, 4096, ..., 5)
    with pytest.raises(NotDoneYet):
        checks.precisions(asked, "mine", MEASURED, BITS, ...)


# What the charts show


def test_bars_are_shares_of_the_reference_with_their_numbers():
    figure = plots.precisions(TABLE)
    (axes,) = figure.axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert heights["F16"] == [1.0, 1.0, 1.0, 1.0]
    assert heights["Q4_0"] == pytest.approx([75785472 / 269100288, 243 / 360, 1.0, 0.1])
    assert {"97 MB", "188 MB", "50/s", "90 %"} <= {text.get_text() for text in axes.texts}
    assert axes.get_title("left") == "Q4_0 has 28 % of the bytes of F16, and says 10 % of its words"
    assert "Q8_0: all weights 143 MB, memory of the server 234 MB" in figure.description


def test_what_a_server_does_not_tell_is_left_out():
    axes = plots.precisions(TABLE.assign(bytes=[1.6e10, None, 9e7, 8e7])).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "memory of the server",
        "tokens per second",
        "same words",
    ]
    assert plots.precisions(TABLE.head(0)).description == "An empty chart: nothing was measured."


NOTED = {
    "people": 7,
    "running": 2,
    "memory_hoarded": 1e9,
    "memory_shared": 5e8,
    "busy_hoarded": 0.04,
    "busy_shared": 0.31,
    "wait_p95_hoarded": 0.02,
    "wait_p95_shared": 0.41,
    "tokens_by_person": dict.fromkeys("abcdefg", 10),
}


def test_before_and_after():
    figure = plots.before_after(NOTED)
    assert [sorted(bar.get_width() for bars in axes.containers for bar in bars) for axes in figure.axes] == [
        [2, 7],
        [5e8, 1e9],
        [0.04, 0.31],
        [0.02, 0.41],
        [0, 7],
    ]
    assert figure.axes[0].get_title("left") == "A model each: 2 of 7 people get answers. One for all: 7 of 7 do"
    assert "memory that is taken for models 1,000 MB and 500 MB" in figure.description


@pytest.mark.parametrize("noted", [{}, {"people": 7}])
def test_without_numbers_one_sentence_says_where_they_come_from(noted):
    figure = plots.before_after(noted)
    [axes] = figure.axes
    assert [text.get_text() for text in axes.texts] == [figure.description]
    assert "run lesson 01" in figure.description
    assert not axes.containers
    assert figure.get_figheight() < plots.before_after(NOTED).get_figheight() / 4


def test_what_is_missing_among_the_numbers_says_so_in_its_place():
    figure = plots.before_after({name: NOTED[name] for name in ("people", "running")})
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes if not axes.containers]
    assert said == 4 * [["not measured yet: run lesson 01"]]
    assert "2 and 7" in figure.description


# The real ones


@contextmanager
def deployed(lab, overlay):
    """An overlay in a namespace of the test's own."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    secret = next(one for one in platform_secrets() if one.name == "model-secret")
    try:
        lab.cluster.apply([home, secret, *overlay], namespace)
        yield namespace
    finally:
        lab.cluster.delete(f"namespace/{namespace}")


def test_every_variant_serves_and_differs_in_size(connected, capsys):
    variants = manifests.render(connected.overlay("quantised"))
    for one in variants:
        one["metadata"].pop("namespace")
    with deployed(connected, variants) as namespace:
        connected.cluster.wait_ready(variants, 600, namespace=namespace)
        found = measure(connected, namespace, ["Name three colours.", "What is a GPU?"], max_tokens=12)
        table = found.table.set_index("precision")
        assert dict(table["bytes"]) == BYTES
        assert set(table["parameters"]) == {PARAMETERS}
        assert found.reference == "F16"
        assert table.loc["F16", "same_words"] == 1.0
        memory = table["memory"]
        assert memory["F16"] > memory["Q8_0"] > memory["Q4_1"] > BYTES["Q4_1"]
        assert (table["tokens_per_second"] > 0).all()
        assert found.answers.groupby("precision")["tokens"].sum().between(4, 24).all()
        closest = table["same_words"].drop("F16").idxmax()
        checks.precisions(connected, namespace, found, 8 * table["bytes"] / table["parameters"], closest)
        assert "Exercise 5.2 is right" in capsys.readouterr().out


def test_a_precision_that_there_is_not_is_told_in_the_events(connected):
    variants = manifests.render(connected.overlay("quantised"))
    chosen = [one for one in variants if one["metadata"]["name"].endswith(("llamacpp", "f16"))]
    for one in chosen:
        one["metadata"].pop("namespace")
    chosen[-1]["spec"]["predictor"]["model"]["image"] = llamacpp.reference("Q2_K")
    with deployed(connected, chosen) as namespace:
        stuck = connected.cluster.wait_stuck(namespace, 60)
        assert stuck.reason in ("ErrImagePull", "ImagePullBackOff")

        def messages():
            return [
                one.message
                for one in connected.cluster.events(namespace)
                if "not found in the catalogue" in one.message
            ]

        told = wait.until(messages, what="the event", timeout=20)
        assert llamacpp.reference("Q8_0") in told[0]


def test_public_names():
    assert all(hasattr(quantisation, name) for name in quantisation.__all__)
    assert np.isclose(BITS["F16"], 16.0, rtol=1e-3)
