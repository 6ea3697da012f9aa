"""The roles of manifests/rbac: what the course asks for, no more and no less, and enough to give it away."""

import json
from itertools import product
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from maas_lab import manifests, personas
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target
from maas_lab.local.kube.queries import WriteOptions
from maas_lab.local.kube.rbac import defaults
from maas_lab.local.kube.rbac.authorizer import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING, Authorizer
from maas_lab.local.kube.rbac.escalation import Guard
from maas_lab.local.kube.rbac.rules import missing
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.status import ApiError
from maas_lab.local.kube.store import Store
from maas_lab.local.kube.users import User
from maas_lab.rights import Rule

ROLES = {one["metadata"]["name"]: one for one in manifests.render(Path(__file__).parents[1] / "manifests" / "rbac")}
WIDE = ("namespaces", "nodes")
SECRETS = ("get", "", "secrets")


def given(*names):
    """Every right of some roles: verb, API group, resource; those of single objects are apart."""
    return {
        one
        for name in names
        for rule in ROLES[f"maas-lab-{name}"]["rules"]
        if not rule.get("resourceNames")
        for one in product(rule["verbs"], rule["apiGroups"], rule["resources"])
    }


def asked(*rules):
    found = set()
    for text in rules:
        rule = Rule.read(text)
        found.add((rule.verb, rule.group, f"{rule.resource}/{rule.part}" if rule.part else rule.resource))
    return found


def test_learners_and_accountants_have_what_the_lessons_ask_of_the_platform():
    assert given("learner") == asked(*personas.EVERYBODY, *personas.CONSUMER) - {SECRETS}
    assert given("accountant") == asked(*personas.EVERYBODY, *personas.ACCOUNTANT)


def test_providers_have_what_the_lessons_ask_of_a_namespace_and_ask_for_it_themselves():
    provided = asked(*personas.PROVIDES)
    wide = {one for one in provided if one[2] in WIDE}
    assert given("provider") == provided - wide
    by_project = {(verb, "", "namespaces") for verb in ("create", "delete")}
    projects = {("create", "project.openshift.io", "projectrequests")}
    assert given("learner-cluster") == wide - by_project | projects


def test_an_instructor_has_what_a_class_takes_and_may_let_learners_ask_for_projects():
    assert given("instructor") == asked(*personas.INSTRUCTOR)
    single = [rule for rule in ROLES["maas-lab-instructor"]["rules"] if rule.get("resourceNames")]
    assert [(rule["verbs"], rule["resources"], rule["resourceNames"]) for rule in single] == [
        (["bind"], ["clusterroles"], ["self-provisioner"])
    ]


def test_a_project_gives_its_administrator_all_that_a_provider_does():
    assert missing(defaults.cluster_roles()["admin"], ROLES["maas-lab-provider"]["rules"]) == []


def test_the_roles_are_valid_in_kubernetes(definitions):
    told = json.loads(definitions.read_text())
    place = "$defs" if "$defs" in told else "definitions"
    schema = {"$ref": f"#/{place}/io.k8s.api.rbac.v1.ClusterRole", place: told[place]}
    for role in ROLES.values():
        assert [error.message for error in Draft4Validator(schema).iter_errors(role)] == []


IDA = User("ida", "", ("system:authenticated",))


@pytest.fixture
def instructor(schemas):
    """Write objects as an instructor."""
    objects = Objects(Store(Path(":memory:")), Rules(schemas))
    defaults.ensure(objects)
    authorizer = Authorizer(objects.store)
    for role in ROLES.values():
        objects.create(Target(CLUSTER_ROLE), role, WriteOptions())
    objects.create(Target(CLUSTER_ROLE_BINDING), binding("maas-lab-instructor", "ida"), WriteOptions())
    for name in ("maas-system", "maas-lab-ann"):
        objects.create(Target(NAMESPACE), {"metadata": {"name": name}}, WriteOptions())
    options = WriteOptions(guard=Guard(authorizer, IDA))
    return lambda kind, body, namespace="": objects.create(Target(kind, namespace), body, options)


def binding(role, name):
    subject = {"kind": "User", "name": name}
    return {
        "metadata": {"name": f"{name}-{role}"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def test_an_instructor_gives_the_roles_of_the_course_and_no_others(instructor):
    for role in ("maas-lab-learner", "maas-lab-accountant"):
        instructor(ROLE_BINDING, binding(role, "ann"), "maas-system")
    instructor(ROLE_BINDING, binding("maas-lab-provider", "ann"), "maas-lab-ann")
    for role in ("maas-lab-learner-cluster", "self-provisioner"):
        instructor(CLUSTER_ROLE_BINDING, binding(role, "ann"))
    for role in ("cluster-admin", "admin"):
        with pytest.raises(ApiError, match="not currently held"):
            instructor(CLUSTER_ROLE_BINDING, binding(role, "ann"))
