"""What rules allow and cover, who has which role, and what a cluster begins with."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maas_lab.local.kube.controllers.client import Client
from maas_lab.local.kube.controllers.cluster_roles import ClusterRoles
from maas_lab.local.kube.controllers.work import Work
from maas_lab.local.kube.lifecycle import Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rbac import defaults
from maas_lab.local.kube.rbac.authorizer import CLUSTER_ROLE, Authorizer
from maas_lab.local.kube.rbac.rules import Asked, allows, missing, shown
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.store import Store
from maas_lab.local.kube.users import ADMIN, ANONYMOUS, User


def rule(verbs="", resources="", groups=("",), names=(), paths=()):
    told = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": list(groups)}
    told |= {"resourceNames": list(names), "nonResourceURLs": list(paths)}
    return {key: value for key, value in told.items() if value}


@pytest.mark.parametrize(
    ("rules", "asked", "expected"),
    [
        (rule("get", "pods"), Asked("get", resource="pods", name="a"), True),
        (rule("get", "pods"), Asked("list", resource="pods"), False),
        (rule("*", "pods"), Asked("escalate", resource="pods"), True),
        (rule("get", "pods"), Asked("get", "metrics.k8s.io", "pods"), False),
        (rule("get", "pods", ["*"]), Asked("get", "metrics.k8s.io", "pods"), True),
        (rule("get", "pods"), Asked("get", resource="pods", part="log"), False),
        (rule("get", "pods/log"), Asked("get", resource="pods", part="log"), True),
        (rule("get", "*/log"), Asked("get", resource="pods", part="log"), True),
        (rule("get", "*/log"), Asked("get", resource="pods"), False),
        (rule("get", "*"), Asked("get", resource="pods", part="log"), True),
        (rule("get", "pods", names=["a"]), Asked("get", resource="pods", name="a"), True),
        (rule("get", "pods", names=["a"]), Asked("get", resource="pods", name="b"), False),
        (rule("list", "pods", names=["a"]), Asked("list", resource="pods"), False),
        (rule("get", paths=["/api/*"], groups=()), Asked("get", path="/api/v1"), True),
        (rule("get", paths=["/api"], groups=()), Asked("get", path="/api/v1"), False),
        (rule("get", paths=["*"], groups=()), Asked("get", path="/anything"), True),
        (rule("get", "*", ["*"]), Asked("get", path="/version"), False),
    ],
)
def test_what_a_rule_allows(rules, asked, expected):
    assert allows(rules, asked) is expected


@pytest.mark.parametrize(
    ("had", "wanted", "left"),
    [
        ([rule("*", "*", ["*"])], [rule("get list", "pods secrets", ["", "apps"])], []),
        ([rule("get", "pods"), rule("list", "pods")], [rule("get list", "pods")], []),
        ([rule("get", "pods")], [rule("get list", "pods")], ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}']),
        ([rule("get", "pods", names=["a"])], [rule("get", "pods", names=["a"])], []),
        (
            [rule("get", "pods", names=["a"])],
            [rule("get", "pods")],
            ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
        ),
        ([rule("get", "*/log")], [rule("get", "pods/log")], []),
        ([rule("get", paths=["/api/*"], groups=())], [rule("get", paths=["/api/v1"], groups=())], []),
        (
            [rule("get", "pods")],
            [rule("get", paths=["/a"], groups=())],
            ['{NonResourceURLs:["/a"], Verbs:["get"]}'],
        ),
    ],
)
def test_what_rules_do_not_cover(had, wanted, left):
    assert [shown(one) for one in missing(had, wanted)] == left


def test_a_rule_too_large_to_be_taken_apart_is_given_by_nobody_who_has_not_all_of_it_in_one():
    texts = [str(number) for number in range(300)]
    huge = {"verbs": texts, "resources": texts, "apiGroups": texts}
    assert missing([rule("get", "pods")], [huge])[0]["verbs"] == texts
    assert missing([rule("*", "*", ["*"])], [huge]) == []


_SOME = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=2, unique=True)
_RULE = st.fixed_dictionaries({"verbs": _SOME, "apiGroups": _SOME, "resources": _SOME})


@given(st.lists(_RULE, max_size=3), _RULE, st.tuples(*[st.sampled_from("abc")] * 3))
def test_whoever_covers_a_rule_may_all_that_it_allows(had, wanted, about):
    asked = Asked(*about)
    if not missing(had, [wanted]) and allows(wanted, asked):
        assert any(allows(one, asked) for one in had)


@pytest.fixture
def objects(schemas):
    made = Objects(Store(Path(":memory:")), Rules(schemas))
    defaults.ensure(made)
    return made


LEARNER = User("learner", "", ("system:authenticated", "system:authenticated:oauth"))
ACCOUNT = User("system:serviceaccount:a:robot", "", ("system:serviceaccounts", "system:authenticated"))


@pytest.mark.parametrize(
    ("user", "asked", "expected"),
    [
        (ADMIN, Asked("impersonate", "x", "y", namespace="z"), True),
        (LEARNER, Asked("get", path="/version"), True),
        (LEARNER, Asked("get", path="/metrics"), False),
        (LEARNER, Asked("list", resource="namespaces"), False),
        (LEARNER, Asked("create", resource="namespaces"), False),
        (LEARNER, Asked("list", "project.openshift.io", "projects"), True),
        (LEARNER, Asked("create", "project.openshift.io", "projectrequests"), True),
        (LEARNER, Asked("get", "user.openshift.io", "users", name="~"), True),
        (LEARNER, Asked("get", "user.openshift.io", "users", name="other"), False),
        (ACCOUNT, Asked("create", "authorization.k8s.io", "selfsubjectaccessreviews"), True),
        (ACCOUNT, Asked("create", "project.openshift.io", "projectrequests"), False),
        (ANONYMOUS, Asked("get", path="/healthz"), True),
        (ANONYMOUS, Asked("get", path="/api"), False),
        (ANONYMOUS, Asked("create", "authorization.k8s.io", "selfsubjectaccessreviews"), False),
    ],
)
def test_what_people_may_do_on_a_new_cluster(objects, user, asked, expected):
    assert Authorizer(objects.store).decide(user, asked).allowed is expected


def test_a_cluster_of_before_is_given_what_its_roles_lack(objects):
    name = Target(CLUSTER_ROLE, "", "view")
    role = objects.read(name)
    objects.update(name, {**role, "rules": role["rules"][:1]}, WriteOptions())
    defaults.ensure(objects)
    assert missing(objects.read(name)["rules"], role["rules"]) == []
    annotations = {defaults.AUTOUPDATE: "false"}
    changed = {**role, "rules": [], "metadata": {**role["metadata"], "annotations": annotations}}
    changed["metadata"]["resourceVersion"] = objects.read(name)["metadata"]["resourceVersion"]
    objects.update(name, changed, WriteOptions())
    defaults.ensure(objects)
    assert objects.read(name)["rules"] is None


def test_a_role_that_there_is_not_gives_nothing_and_is_named(objects):
    ref = {"kind": "ClusterRole", "name": "nowhere"}
    body = {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [{"kind": "User", "name": "learner"}]}
    objects.create(Target(defaults.CLUSTER_ROLE_BINDING), body, WriteOptions())
    decision = Authorizer(objects.store).decide(LEARNER, Asked("get", resource="pods"))
    assert decision == (False, 'RBAC: clusterrole.rbac.authorization.k8s.io "nowhere" not found')


def test_a_role_made_of_others_follows_them(objects):
    work = Work(objects.store, [ClusterRoles(Client(objects, "test"))])
    options, target = WriteOptions(), Target(CLUSTER_ROLE)
    made_of = {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}
    objects.create(target, {"metadata": {"name": "whole"}, "aggregationRule": made_of}, options)
    work.run_until_idle()
    part = {"metadata": {"name": "part", "labels": {"part": "yes"}}, "rules": [rule("get", "pods")]}
    objects.create(target, part, options)
    work.run_until_idle()
    whole = Target(CLUSTER_ROLE, "", "whole")
    assert objects.read(whole)["rules"] == [rule("get", "pods")]
    objects.store.remove(CLUSTER_ROLE, objects.read(Target(CLUSTER_ROLE, "", "part")))
    work.run_until_idle()
    assert objects.read(whole)["rules"] is None
