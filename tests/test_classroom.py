"""A class without a cluster: names, files that leak nothing, and money that a second run does not touch."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from maas_lab import classroom
from maas_lab.access import own_namespace
from maas_lab.classroom import accounts, ending, handout
from maas_lab.classroom.keeping import Kept
from maas_lab.classroom.learners import Learner, in_order, learners, logins_in
from maas_lab.classroom.making import Made, Making, Wishes
from maas_lab.classroom.money import Money, Terms
from maas_lab.classroom.rooms import home, quotas, rights
from maas_lab.errors import NotFound, UsageError
from maas_lab.gateway import Gateway
from maas_lab.keys import ApiKey, key_hash
from maas_lab.lab import MANIFESTS

HOSTILE = "\"'><script>alert(1)</script>"
SECRET = "sk-abcdefghijklmnop-a1b2"
TERMS = Terms(budget=2.5, days=7)
WISHES = Wishes(TERMS)
WHERE = handout.Addresses("https://gateway.test", "https://portal.test", "granite")
ONE, TWO = learners("spring", 2)
LATER = datetime.now(UTC) + timedelta(days=7)
GIVEN = Kept(ONE, ApiKey("Pa55word"), ApiKey(SECRET), ApiKey("a.long.token"), LATER)


# Names


def test_learners_have_names_of_their_own():
    theirs = learners("spring", 12)
    assert [theirs[0].name, theirs[11].name] == ["spring-01", "spring-12"]
    assert theirs[0].namespace == "maas-lab-spring-01"
    assert theirs[0].user == "system:serviceaccount:maas-lab-spring-01:learner"
    own = [place for one in theirs for place in (one.namespace, *one.lesson_namespaces)]
    assert len(set(own)) == len(own) == 12 * 5
    assert all(len(place) <= 63 for place in own)


@pytest.mark.parametrize(
    "name", ["", "Spring", "-spring", "spring-", "2026", "a b", "a" * 21, "../up", "a=b", "a,b", "ä"]
)
def test_a_name_that_cannot_be_one_of_a_namespace_is_refused(name):
    with pytest.raises(UsageError, match="cannot be the name of a class"):
        learners(name, 1)


@pytest.mark.parametrize("count", [0, -1, 201])
def test_the_number_of_learners_is_bounded(count):
    with pytest.raises(UsageError, match="1 to 200 learners"):
        learners("spring", count)


def test_people_keep_the_names_of_their_own_login(tmp_path):
    (tmp_path / "users").write_text("# my class\nalice@example.com\n\n  Bob.Two  \n")
    logins = logins_in(tmp_path / "users")
    assert [one.login for one in learners("spring", 2, logins)] == ["alice@example.com", "Bob.Two"]
    with pytest.raises(UsageError, match="2 names for 3 learners"):
        learners("spring", 3, logins)


@pytest.mark.parametrize("line", ["=HYPERLINK(1)", "+1", "@sum", "-x", "a b", "a:b", HOSTILE, "a\x00b"])
def test_a_line_that_is_no_name_is_refused(tmp_path, line):
    (tmp_path / "users").write_text(f"alice\n{line}\n")
    with pytest.raises(UsageError, match="cannot be taken"):
        logins_in(tmp_path / "users")


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "users").write_text("alice\nbob\nalice\n")
    with pytest.raises(UsageError, match="cannot be taken"):
        logins_in(tmp_path / "users")


def test_a_learner_is_known_by_the_labels_of_their_namespace():
    people = [*learners("spring", 12, [f"person-{one}" for one in range(12)]), *learners("autumn", 1)]
    namespaces = [home(one)[0] for one in reversed(people)]
    assert in_order(namespaces) == [people[12], *people[:12]]


def test_platforms_follow_git_where_lesson_02_works():
    """By kubeconfig, and logged in."""
    alice = Learner("spring", 1, "alice@example.com")
    assert alice.followed_namespaces[0] in alice.lesson_namespaces
    assert alice.followed_namespaces == [own_namespace("maas-lab-02", who) for who in (alice.user, alice.login)]


class WithoutArgoCD:
    """A cluster that does not know the kind."""

    def apply(self, objects, force):
        raise NotFound("the cluster does not serve the kind AppProject")

    def list(self, kind, namespace, selector):
        raise NotFound("the cluster does not serve the kind AppProject")


def test_a_class_does_without_argo_cd(tmp_path):
    making = Making(WithoutArgoCD(), None, MANIFESTS, WISHES)
    follows = making._admit([ONE])
    assert ending._projects(WithoutArgoCD(), "spring") == []
    told = [classroom._told(Made([GIVEN], [], True, one), WISHES, tmp_path) for one in (follows, True)]
    assert told[0] == [*told[1], "This cluster has no Argo CD: lesson 02 stops before exercise 2.6."]


# Rights


def test_a_learner_gets_roles_in_single_namespaces_only():
    """What is given in the whole cluster is what nodes offer and the right to ask for projects, and nothing else."""
    given = [*home(ONE), *rights(ONE, "maas-system", accountant=False)]
    bindings = [one for one in given if one["kind"].endswith("Binding")]
    everywhere = {one["roleRef"]["name"] for one in bindings if one["kind"] == "ClusterRoleBinding"}
    assert everywhere == {"maas-lab-learner-cluster"}
    assert {one["metadata"].get("namespace") for one in bindings} == {None, ONE.namespace, "maas-system"}
    assert {one["subjects"][0]["namespace"] for one in bindings} == {ONE.namespace}
    [role] = [one for one in given if one["kind"] == "Role"]
    assert [(rule["verbs"], rule["resourceNames"]) for rule in role["rules"]] == [(["get"], ["maas-lab-learner"])]


def test_only_accountants_get_the_accountants_role():
    names = [[one["roleRef"]["name"] for one in rights(ONE, "maas-system", accountant=both)] for both in (False, True)]
    assert ["maas-lab-accountant" in one for one in names] == [False, True]


# Limits


def test_the_people_of_lesson_01_may_all_ask_for_a_gpu_beside_a_platform_of_ones_own():
    lesson = (MANIFESTS.parent / "solutions/01_problem.py").read_text()
    people = int(re.search(r"^people: int = (\d+)", lesson, re.MULTILINE)[1])
    for quota in quotas(ONE, "nvidia.com/gpu"):
        assert int(quota["spec"]["quota"]["hard"]["requests.nvidia.com/gpu"]) == people + 1


# Logins


def test_a_line_is_as_htpasswd_writes_it():
    """`htpasswd -nbs spring-01 password` prints this."""
    assert accounts.line_of("spring-01", ApiKey("password")) == "spring-01:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


def test_lines_of_others_stay_and_ours_are_written_once():
    old, new = ApiKey("old"), ApiKey("new")
    others = "admin:$2y$05$abcdefghijk\ncomment without a colon\n"
    first = accounts.with_lines(others, {"spring-01": old}, {})
    assert first.startswith(others)
    assert accounts.with_lines(first, {"spring-01": old}, {"spring-01": old}) == first
    renewed = accounts.with_lines(first, {"spring-01": new}, {"spring-01": old})
    assert renewed == others + accounts.line_of("spring-01", new) + "\n"
    assert accounts.without_lines(renewed, {"spring-01": old}) == renewed, "somebody else's by now"
    assert accounts.without_lines(renewed, {"spring-01": new}) == others


def test_nobody_gets_the_name_of_somebody_else():
    with pytest.raises(UsageError, match="already a `spring-01`"):
        accounts.with_lines("spring-01:$2y$05$abc\n", {"spring-01": ApiKey("new")}, {"spring-01": ApiKey("old")})


def test_no_password_is_taken_for_a_formula():
    made = [accounts.new_password().reveal() for _ in range(50)]
    assert len(set(made)) == 50
    assert all(len(one) == 20 and one.isascii() and one.isalnum() for one in made)


# Files


def test_the_credentials_are_one_line_a_learner():
    other = Kept(TWO, None, ApiKey("sk-bcdefghijklmnopq-b2c3"), ApiKey("t"), LATER)
    rows = list(csv.DictReader(io.StringIO(handout.credentials([GIVEN, other], TERMS, WHERE))))
    assert [row["learner"] for row in rows] == ["spring-01", "spring-02"]
    assert (rows[0]["password"], rows[0]["key"], rows[0]["budget"]) == ("Pa55word", SECRET, "2.5")
    assert (rows[1]["password"], rows[1]["kubeconfig"]) == ("", "spring-02.kubeconfig")
    assert "token" not in handout.credentials([GIVEN], TERMS, WHERE)


def test_a_page_shows_what_is_the_learners_and_runs_nothing():
    hostile = replace(GIVEN, learner=Learner("spring", 1, HOSTILE))
    text = handout.page_of(hostile, TERMS, replace(WHERE, model=HOSTILE, portal=f"https://portal.test/{HOSTILE}"))
    assert "<script" not in text
    assert "default-src 'none'" in text
    for shown in (
        SECRET,
        "Pa55word",
        "https://gateway.test/v1",
        "$2.50",
        "spring-01.kubeconfig",
        "MAAS_LAB_KUBECONFIG",
    ):
        assert shown in text
    assert "a.long.token" not in text, "it is too long to type: it is in the kubeconfig"


def test_a_page_does_not_promise_what_a_class_of_accountants_has_not():
    told = [handout.page_of(GIVEN, TERMS, replace(WHERE, together=one)) for one in (False, True)]
    assert ["nobody else of the class can read" in text for text in told] == [True, False]
    assert ["change the keys of all others" in text for text in told] == [False, True]


def test_a_page_of_somebody_with_a_login_of_their_own_names_no_password():
    assert "None" not in handout.page_of(replace(GIVEN, password=None), TERMS, WHERE)


def test_files_are_for_their_owner_and_follow_no_link(tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("mine")
    folder = handout.folder(out)
    (folder / handout.CREDENTIALS).symlink_to(victim)
    files = handout.write(folder, [GIVEN], TERMS, WHERE, ["{}"])
    assert victim.read_text() == "mine"
    assert sorted(file.name for file in files) == ["credentials.csv", "spring-01.html", "spring-01.kubeconfig"]
    assert {file.lstat().st_mode & 0o777 for file in files} == {0o600}
    assert out.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_read_is_refused(tmp_path):
    (tmp_path / "an open one").mkdir(mode=0o755)
    with pytest.raises(UsageError, match="is open to others") as caught:
        handout.folder(tmp_path / "an open one")
    assert caught.value.hint.endswith(f"chmod 700 '{tmp_path}/an open one'")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        handout.folder(tmp_path / "file")


def test_what_was_given_shows_no_secret():
    assert not any(secret in repr(GIVEN) for secret in (SECRET, "Pa55word", "a.long.token"))


# Money


class FakeGateway:
    """Keeps keys as LiteLLM does, and what was asked of it."""

    def __init__(self):
        self.keys, self.writes = {}, []

    def __call__(self, request):
        path, body = request.url.path, json.loads(request.content or b"{}")
        if request.method == "POST":
            self.writes.append(path)
        if path == "/key/generate":
            secret = f"sk-{len(self.writes):016d}-x9y8"
            self.keys[key_hash(secret)] = body | {"token": key_hash(secret)}
            return httpx.Response(200, json={"key": secret})
        if path == "/key/update":
            self.keys[body["key"]] |= body
        if path == "/key/delete":
            self.keys = {name: row for name, row in self.keys.items() if name not in body["keys"]}
        if path == "/key/info":
            return httpx.Response(200, json={"info": self.keys[request.url.params["key"]]})
        rows = list(self.keys.values())
        told = {"keys": rows, "total_count": len(rows), "current_page": 1, "total_pages": 1}
        return httpx.Response(200, json=told)


@pytest.fixture
def fake():
    return FakeGateway()


@pytest.fixture
def money(fake):
    """Look at the gateway anew, as each run does."""
    made = Gateway("http://gateway.test", "sk-master-0000000000", transport=httpx.MockTransport(fake))
    return lambda: Money(made, None, "granite")


def test_a_key_is_made_once_with_its_labels_and_limits(fake, money):
    first = money().key(Kept(ONE), TERMS, renew=False)
    [row] = fake.keys.values()
    assert row["key_alias"] == "spring-01"
    assert row["metadata"] == {"application": "spring", "team": "spring"}
    assert (row["max_budget"], row["models"]) == (2.5, ["granite"])
    assert row["allowed_routes"] == ["llm_api_routes", "/model/info"]
    assert (row["duration"], row["rpm_limit"]) == ("604800s", 120)
    assert money().key(Kept(ONE, key=first), TERMS, renew=False) == first
    assert fake.writes == ["/key/generate"]


def test_another_budget_changes_the_key_and_not_its_secret(fake, money):
    first = money().key(Kept(ONE), TERMS, renew=False)
    assert money().key(Kept(ONE, key=first), Terms(3.0, 7), renew=False) == first
    assert fake.writes == ["/key/generate", "/key/update"]
    assert [row["max_budget"] for row in fake.keys.values()] == [3.0]


@pytest.mark.parametrize("renew", [True, False])
def test_a_key_whose_secret_nobody_has_is_replaced(fake, money, renew):
    """So is one that shall be renewed; the old one opens nothing any more."""
    first = money().key(Kept(ONE), TERMS, renew=False)
    second = money().key(Kept(ONE, key=first if renew else None), TERMS, renew=renew)
    assert second != first
    assert list(fake.keys) == [second.hash]


def test_a_key_of_somebody_else_is_left_alone(fake, money):
    fake.keys["x"] = {"token": "x", "key_alias": "spring-01", "metadata": {"application": "other"}}
    before = dict(fake.keys)
    with pytest.raises(UsageError, match="the name spring is taken"):
        money().key(Kept(ONE), TERMS, renew=False)
    money().end(Kept(ONE))
    assert fake.keys == before


def test_at_the_end_the_keys_of_the_learner_go_and_those_of_others_stay(fake, money):
    for one in (ONE, TWO):
        money().key(Kept(one), TERMS, renew=False)
    money().end(Kept(ONE))
    assert [row["key_alias"] for row in fake.keys.values()] == ["spring-02"]
