"""Mistakes that a learner makes, made at the running lab: what the check says about each of them."""

import copy
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta

import openai
import pytest

from maas_lab import ask, ask_many, checks, errors, manifests, usage
from maas_lab.errors import NotQuite
from maas_lab.gitops import GitOps
from maas_lab.windows import Window


@pytest.fixture
def lab(connected, monkeypatch):
    monkeypatch.setattr("maas_lab.checks.exercise._asked", Counter())
    return connected


@pytest.fixture
def key(lab, mint):
    return mint()


@pytest.fixture
def says(lab):
    """Hold a check to what it says about each mistake; one that it does not see fails the test."""

    def hold(check, arguments, mistakes):
        for name, (made, saw) in mistakes.items():
            with pytest.raises(NotQuite) as caught:
                check(lab, *arguments, *(made if isinstance(made, tuple) else (made,)))
            told = "\n".join(caught.value.lines())
            assert saw in told, f"{name}: {told}"
            assert caught.value.hint, name

    return hold


def test_0_1_counts_that_are_none(lab, says):
    pods = lab.cluster.pods(lab.namespace)
    mistakes = {
        "a guess": (0, "the cluster has more"),
        "the list itself": (pods, "is the list of the pods"),
        "printed": (str(len(pods)), "is a str, not a whole number"),
        "no answer": (None, "is a NoneType, not a whole number"),
    }
    says(checks.pods, (), mistakes)


def test_0_2_names_of_something_else(lab, says):
    right = {"cluster": lab.cluster.server, "gateway": lab.gateway.url, "model": lab.model}
    given = {
        "the objects": ({"cluster": lab.cluster}, "`cluster` is a Cluster, not text"),
        "swapped": ({"cluster": lab.gateway.url}, "`cluster` is the gateway"),
        "the portal": ({"gateway": lab.portal_url}, "`gateway` is the portal"),
        "in other letters": ({"model": "SmolLM2-135M"}, "the gateway wants it exactly"),
        "as it prints": ({"cluster": repr(lab.cluster)}, "has another address"),
    }
    says(checks.connected, (), {name: (tuple((right | one).values()), saw) for name, (one, saw) in given.items()})


def test_2_1_routes_that_lead_nowhere(lab, says):
    objects = manifests.render(lab.overlay("infrastructure"), lab.namespace)
    own = next(one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Route", "litellm"))
    head = {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "models"}}

    def route(**spec):
        return copy.deepcopy({**head, "spec": {**own["spec"], **spec}})

    elsewhere = {"kind": "Service", "name": "gateway"}
    mistakes = {
        "the draft": (route(to=elsewhere, ports={"targetPort": "http"}), ".spec.ports: field not declared"),
        "one of two mended": (route(to=elsewhere), "the platform has no such Service"),
        "the overlay's own": (own, "not a Route with the name `models`"),
        "a name instead of an object": (route(to="litellm"), "the cluster does not take your Route"),
        "a port that is not there": (route(port={"targetPort": 1}), "a port that the Service does not have"),
        "no spec": (head, "the cluster does not take your Route"),
        "metadata is a name": ({**route(), "metadata": "models"}, "not a Route with the name `models`"),
        "text": (str(route()), "not a Route with the name `models`"),
    }
    says(checks.route, (lab.namespace,), mistakes)


def test_2_2_steps_and_pods(lab, says):
    events = lab.cluster.events(lab.namespace, of="pod/postgres-0")
    steps = [event.reason for event in events]
    mistakes = {
        "the events": ((events, "postgres"), "not the list of the reasons"),
        "typed by hand": ((["Scheduled", "Pulled", "Started"], "postgres"), "`steps` lacks Created"),
        "the newest first": ((steps[::-1], "postgres"), "in another order"),
        "the other one": ((steps, "litellm"), "compare the moments"),
        "another pod": ((steps, "backend"), "one of two names"),
    }
    says(checks.order, (lab.namespace,), mistakes)


def test_2_3_names_and_addresses(lab, says):
    service = lab.cluster.get("InferenceService", lab.model, lab.namespace)
    url = service["status"]["address"]["url"]
    mistakes = {
        "the object": ((service, f"{url}/v1"), "`served` is a KubeObject, not text"),
        "another model": (("granite", f"{url}/v1"), "the name of the InferenceService"),
        "without /v1": ((service.name, url), "does not end in /v1"),
        "the gateway": ((service.name, lab.url), "not where the InferenceService says"),
        "a whole path": ((service.name, f"{url}/v1/chat/completions"), "does not end in /v1"),
    }
    says(checks.served, (lab.namespace,), mistakes)


def test_2_4_answers_and_rows(lab, says, key):
    client = lab.client(key)
    replies = [ask(client, "Hi", model=lab.model, max_tokens=2) for _ in range(2)]
    rows = [lab.gateway.spend_row(one.id) for one in replies]
    hi = [{"role": "user", "content": "Hi"}]
    of_the_sdk = client.chat.completions.create(model=lab.model, messages=hi, max_tokens=2)
    mistakes = {
        "the bare SDK": ((of_the_sdk, rows[0]), "it should be what `ask` returns"),
        "the text": ((replies[0].text, rows[0]), "`reply` is a str"),
        "the row of another call": ((replies[0], rows[1]), "belongs to another call"),
        "the id": ((replies[0], replies[0].id), "`row` is a str, not a spend row"),
    }
    says(checks.gate, (lab.namespace, lab.gateway), mistakes)


def test_2_5_culprits(lab, says):
    mistakes = {
        "an innocent one": ("LITELLM_MASTER_KEY", "reads that one without complaint"),
        "its value": ("1s", "no variable of this name"),
        "in small letters": ("proxy_batch_write_at", "no variable of this name"),
        "a list": (["PROXY_BATCH_WRITE_AT"], "no variable of this name"),
    }
    says(checks.repaired, (lab.namespace,), mistakes)


def test_3_1_rows_of_something_else(lab, says, key):
    answer = lab.curl(key, "Hi", max_tokens=2).run()
    other = ask(lab.client(key), "Hi", model=lab.model, max_tokens=2)
    mistakes = {
        "the id": (answer["id"], "`row` is a str, not a spend row"),
        "the method": (lab.gateway.spend_row, "not a spend row"),
        "another call": (lab.gateway.spend_row(other.id), "belongs to another call"),
    }
    says(checks.booked, (answer,), mistakes)


def test_3_2_clients_that_reach_nobody(lab, says, key):
    def client(kind=openai.OpenAI, **changes):
        return kind(**({"base_url": lab.url, "api_key": key.reveal(), "max_retries": 0} | changes))

    masked = "a key shows its secret by .reveal() only"
    mistakes = {
        "the class": (openai.OpenAI, "it should be an openai.OpenAI"),
        "the module": (openai, "it should be an openai.OpenAI"),
        "for async code": (client(openai.AsyncOpenAI), "it should be an openai.OpenAI"),
        "no address": (client(base_url=None), "another server than this lab's gateway"),
        "the portal": (client(base_url=lab.portal_url), "another server than this lab's gateway"),
        "without /v1": (client(base_url=lab.gateway.url), "another path at this lab's gateway"),
        "a whole path": (client(base_url=f"{lab.url}/chat/completions"), "another path at this lab's gateway"),
        "the key as it prints": (client(api_key=str(key)), masked),
        "the key itself": (client(api_key=key), masked),
        "reveal without brackets": (client(api_key=key.reveal), masked),
        "somebody's key": (client(api_key="sk-" + "x" * 20), "the gateway refuses this client's key"),
        "the SDK's own retries": (client(max_retries=2), "repeats refused calls in silence"),
    }
    says(checks.sdk, (), mistakes)


def test_3_3_speeds(lab, says, key):
    row = lab.gateway.spend_row(ask(lab.client(key), "Hi", model=lab.model, max_tokens=8).id)
    arrivals = [0.5, 0.75, 1.0, 1.5]
    speed = row.completion_tokens / (arrivals[-1] - arrivals[0])
    first = "not the moment at which the first text arrived"
    mistakes = {
        "milliseconds": ((500, speed), first),
        "the last part": ((1.5, speed), first),
        "the time before the first part too": ((0.5, row.completion_tokens / arrivals[-1]), "they came within 1.00 s"),
        "prompt tokens too": ((0.5, row.total_tokens / 1.0), "the gateway booked"),
        "seconds per token": ((0.5, 1 / speed), "the gateway booked"),
        "text": (("0.5", speed), "is a str, not a number"),
    }
    says(checks.stream, (arrivals, row), mistakes)


def test_3_4_calls(lab, says, key, mint):
    def asked(one=key, count=3, **changes):
        options = {"model": lab.model, "concurrency": 3, "max_tokens": 2, "show": False} | changes
        return ask_many(lab.client(one), ["Hi"] * count, **options)

    mistakes = {
        "a list of answers": ([ask(lab.client(key), "Hi", model=lab.model, max_tokens=2)], "what `ask_many` returns"),
        "one at a time": (asked(concurrency=1), "one after the other"),
        "not all tickets": (asked(count=2), "every ticket needs an answer"),
        "a model that is not there": (asked(model="granite"), "3 refused"),
        "another key": (asked(mint()), "made with another key than the application's"),
    }
    says(lambda lab, calls: checks.tickets(lab, key, calls, 3), (), mistakes)


def test_3_5_retries_that_help_nobody(lab, says):
    unknown = "says True to an unknown key"
    mistakes = {
        "no return": (lambda error: None, "returns nothing"),
        "always": (lambda error: True, unknown),
        "never": (lambda error: False, "says False to a rate limit"),
        "whatever the gateway says": (lambda error: isinstance(error, errors.GatewayError), unknown),
        "an answer instead of a function": (True, "not a function"),
    }
    says(checks.retries, (), mistakes)


def test_3_6_keys(lab, says, mint, key):
    mistakes = {
        "the old one": (key, "`new_key` is the old key"),
        "its text": (key.reveal(), "`new_key` is a str, not a key"),
        "one more key": (mint(), "the old key still works"),
    }
    says(checks.rotated, (key,), mistakes)


def test_4_1_and_4_2_counts(lab, says, mint):
    begun = datetime.now(UTC) - timedelta(seconds=2)
    keys = {name: mint(application=f"test mistakes {name}", rpm_limit=2) for name in ("agent", "chat")}
    agent = "test mistakes agent"
    for one, count in zip(keys.values(), (4, 1), strict=True):
        options = {"model": lab.model, "max_tokens": 2, "concurrency": 1, "show": False}
        made = ask_many(lab.client(one), ["Hi"] * count, **options).frame
    lab.gateway.spend_row(made["request_id"].iloc[-1])
    window = Window(begun, datetime.now(UTC))
    table = usage.summary(lab.usage.rows(window), by="application").set_index("application")
    row, other = table.loc[agent], table.loc["test mistakes chat"]
    hits = {
        "refused calls too": (row["hits"] + row["rejected"], "the rejected calls as well"),
        "the whole column": (table["hits"], "of a table, take one cell"),
        "another application": (other["hits"], "another application was asked for"),
    }
    says(checks.hits, (window, agent), hits)
    tokens = {
        "prompts only": (row["prompt_tokens"], "only those of prompts"),
        "answers only": (row["completion_tokens"], "only those of answers"),
        "text": (str(row["total_tokens"]), "is a str, not a number"),
    }
    says(checks.tokens, (window, agent), tokens)


def test_4_7_dollars_beyond_a_cap(lab, says, key):
    begun = datetime.now(UTC) - timedelta(seconds=2)
    spent = lab.gateway.spend_row(ask(lab.client(key), "Hi", model=lab.model, max_tokens=2).id).cost
    cap = spent / 2
    mistakes = {
        "all that was spent": ({1: spent}, "everything that was spent"),
        "a number": (spent - cap, "not a dictionary with the keys 1"),
        "in cents": ({1: 100 * (spent - cap)}, "the gateway has booked"),
    }
    says(checks.overspent, (Window(begun, datetime.now(UTC)), {1: key}, cap), mistakes)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_2_6_to_2_8_commits_and_deployments(lab, says, tmp_path):
    gitops = GitOps(lab.cluster, lab.namespace, lab.manifests, lab.gitops._facts, is_here=True, home=tmp_path)
    gitops.create()
    gitops.wait(first := gitops.tag("first"))
    file = gitops.folder / "manifests/models/base" / lab.model / "inferenceservice.yaml"
    before = lab.cluster.get("Deployment", "frontend", lab.namespace)
    try:
        file.write_text(file.read_text().replace("A very small model", "A tiny model"))
        commit = gitops.commit("Another description")
        told = {
            "not the one that is followed": (commit, "maas-models is Synced, and not at your commit"),
            "the table": (gitops.status(), "`commit` is a Table, not a commit"),
            "its message": ("Another description", "your clone has no such commit"),
            "the first one": (first, "is not the last commit that was pushed"),
        }
        gitops.follow("first")
        gitops.wait(first)
        says(checks.synced, (gitops,), told)
        gitops.follow("main")
        gitops.wait(commit)
        says(checks.synced, (gitops,), {"another line": (commit, "still the one it came with")})
        pages = manifests.render(lab.overlay("infrastructure"), lab.namespace)
        lab.cluster.apply([one for one in pages if one["metadata"]["name"] == "frontend"], force=True)
        again = copy.deepcopy(before)
        again["metadata"]["uid"] = "another"
        mistakes = {
            "the uid": (before["metadata"]["uid"], "not the Deployment `frontend`"),
            "another Deployment": (lab.cluster.get("Deployment", "backend", lab.namespace), "not the Deployment"),
            "nothing deleted": (before, "was never away"),
        }
        says(checks.healed, (gitops, before), mistakes)
        says(checks.healed, (gitops, again), {"applied again": (before, "and you have applied it")})
        mistakes = {
            "nothing taken back": (commit, "is the bad commit itself"),
            "an object": (before, "is a KubeObject, not a commit"),
            "by its name": ("prod", "your clone has no such commit"),
        }
        says(checks.mended, (gitops, commit), mistakes)
    finally:
        gitops.remove()
        lab.cluster.apply(lab.overlay("models"), lab.namespace, force=True)
