"""Roles and bindings: who has a right has it there and nowhere else, and nobody gives more than they have."""

import json
import uuid

import pytest

RBAC = "rbac.authorization.k8s.io/v1"
ACCESS = "authorization.k8s.io/v1"


@pytest.fixture
def person():
    return f"contract-{uuid.uuid4().hex[:8]}"


def role(name, *rules):
    keys = ("verbs", "apiGroups", "resources")
    return {"metadata": {"name": name}, "rules": [dict(zip(keys, rule, strict=True)) for rule in rules]}


READ_MAPS = (["get", "list"], [""], ["configmaps"])


def binding(name, to, kind="Role", user=None, subject=None):
    subject = subject or {"kind": "User", "name": user}
    return {"metadata": {"name": name}, "roleRef": {"kind": kind, "name": to}, "subjects": [subject]}


def give(space, user, *rules, name="some"):
    space.made("roles", role(name, *rules), RBAC)
    space.made("rolebindings", binding(name, name, user=user), RBAC)


def acting(user):
    return {"impersonate-user": user}


def test_a_role_gives_its_verbs_in_its_namespace_and_nowhere_else(space, person):
    give(space, person, READ_MAPS)
    ask = space.api.get
    space.config_map("seen")
    assert ask(space.path("configmaps", "seen"), headers=acting(person)).status_code == 200
    assert ask(space.path("configmaps"), headers=acting(person)).status_code == 200
    for path, verb, resource, where in (
        (space.path("secrets"), "list", "secrets", f'in the namespace "{space.name}"'),
        ("/api/v1/namespaces/default/configmaps", "list", "configmaps", 'in the namespace "default"'),
        ("/api/v1/configmaps", "list", "configmaps", "at the cluster scope"),
        (space.path("configmaps") + "?watch=1", "watch", "configmaps", f'in the namespace "{space.name}"'),
    ):
        answer = ask(path, headers=acting(person))
        told = f'User "{person}" cannot {verb} resource "{resource}" in API group "" {where}'
        assert (answer.status_code, answer.json()["message"]) == (403, f"{resource} is forbidden: {told}")
    space.api.delete(space.path("rolebindings", "some", RBAC))
    assert ask(space.path("configmaps"), headers=acting(person)).status_code == 403


def test_a_role_may_name_single_objects_and_parts_of_objects(space, person):
    rules = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"]}
    space.made("roles", {"metadata": {"name": "one"}, "rules": [rules]}, RBAC)
    space.made("rolebindings", binding("one", "one", user=person), RBAC)
    give(space, person, (["get"], [""], ["pods/log"]))
    for name in ("mine", "theirs"):
        space.config_map(name)
    read = {name: space.api.get(space.path("configmaps", name), headers=acting(person)) for name in ("mine", "theirs")}
    assert {name: one.status_code for name, one in read.items()} == {"mine": 200, "theirs": 403}
    assert space.api.get(space.path("configmaps"), headers=acting(person)).status_code == 403
    named = space.api.get(
        space.path("configmaps"), headers=acting(person), params={"fieldSelector": "metadata.name=mine"}
    )
    assert [one["metadata"]["name"] for one in named.json()["items"]] == ["mine"]
    assert space.api.get(space.path("pods", "nobody"), headers=acting(person)).status_code == 403
    assert space.api.get(space.path("pods", "nobody/log"), headers=acting(person)).status_code == 404


def test_a_namespace_is_asked_for_inside_itself(space, person):
    space.made("rolebindings", binding("views", "view", "ClusterRole", person), RBAC)
    path = f"/api/v1/namespaces/{space.name}"
    assert space.api.get(path, headers=acting(person)).status_code == 200
    refused = space.api.delete(path, headers=acting(person)).json()
    told = f'User "{person}" cannot delete resource "namespaces" in API group "" in the namespace "{space.name}"'
    assert refused["message"] == f'namespaces "{space.name}" is forbidden: {told}'
    assert space.api.get("/api/v1/namespaces/default", headers=acting(person)).status_code == 403
    assert space.api.get("/api/v1/namespaces", headers=acting(person)).status_code == 403


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("view", ["get pods", "get pods/log", "list routes.route.openshift.io"], ["get secrets", "create pods"]),
        ("edit", ["get secrets", "patch deployments.apps", "delete pods"], ["create roles.rbac.authorization.k8s.io"]),
        ("admin", ["create rolebindings.rbac.authorization.k8s.io", "delete services"], ["delete namespaces"]),
    ],
)
def test_the_roles_that_every_cluster_has(space, person, name, may, may_not):
    space.made("rolebindings", binding("one", name, "ClusterRole", person), RBAC)
    for text in (*may, *may_not):
        assert allowed(space, person, text) == (text in may), text


def allowed(space, user, text, namespace=None):
    verb, whole = text.split()
    whole, _, part = whole.partition("/")
    resource, _, group = whole.partition(".")
    about = {"namespace": namespace or space.name, "verb": verb, "resource": resource, "group": group}
    spec = {"user": user, "resourceAttributes": {**about, "subresource": part}}
    answer = space.api.post(f"/apis/{ACCESS}/subjectaccessreviews", json={"spec": spec})
    assert answer.status_code == 201, answer.text
    return answer.json()["status"]["allowed"]


def test_groups_and_service_accounts_are_bound_too(space, person):
    space.made("serviceaccounts", {"metadata": {"name": "robot"}})
    space.made("roles", role("some", READ_MAPS), RBAC)
    account = {"kind": "ServiceAccount", "name": "robot", "namespace": space.name}
    space.made("rolebindings", binding("robots", "some", subject=account), RBAC)
    space.made("rolebindings", binding("crowds", "some", subject={"kind": "Group", "name": person}), RBAC)
    asked = {"spec": {"expirationSeconds": 600}}
    token = space.api.post(space.path("serviceaccounts", "robot/token"), json=asked).json()["status"]["token"]
    with_token = {"authorization": f"Bearer {token}"}
    assert space.api.get(space.path("configmaps"), headers=with_token).status_code == 200
    assert space.api.get(space.path("secrets"), headers=with_token).status_code == 403
    in_it = {"impersonate-user": "somebody", "impersonate-group": person}
    assert space.api.get(space.path("configmaps"), headers=in_it).status_code == 200


def test_questions_about_rights(space, person):
    give(space, person, READ_MAPS)
    about = {"namespace": space.name, "verb": "list", "resource": "configmaps"}
    own = space.api.post(
        f"/apis/{ACCESS}/selfsubjectaccessreviews",
        json={"spec": {"resourceAttributes": about}},
        headers=acting(person),
    ).json()
    reason = f'RBAC: allowed by RoleBinding "some/{space.name}" of Role "some" to User "{person}"'
    assert own["status"] == {"allowed": True, "reason": reason}
    rules = space.api.post(
        f"/apis/{ACCESS}/selfsubjectrulesreviews", json={"spec": {"namespace": space.name}}, headers=acting(person)
    ).json()["status"]
    keys = ("verbs", "apiGroups", "resources")
    assert dict(zip(keys, READ_MAPS, strict=True)) in rules["resourceRules"]
    assert any("/api/*" in one["nonResourceURLs"] for one in rules["nonResourceRules"])
    here = space.path("localsubjectaccessreviews", group=ACCESS)
    local = space.api.post(here, json={"spec": {"user": person, "resourceAttributes": about}}).json()
    assert local["status"]["allowed"] is True
    nobody = space.api.post(f"/apis/{ACCESS}/subjectaccessreviews", json={"spec": {"resourceAttributes": about}})
    assert (nobody.status_code, nobody.json()["reason"]) == (422, "Invalid")
    assert "at least one of user or group must be specified" in nobody.json()["message"]
    refused = space.api.post(
        f"/apis/{ACCESS}/subjectaccessreviews",
        json={"spec": {"user": "eve", "resourceAttributes": about}},
        headers=acting(person),
    )
    assert refused.status_code == 403


def test_nobody_gives_more_than_they_have(space, person):
    space.made("rolebindings", binding("rules", "admin", "ClusterRole", person), RBAC)
    mine = {"headers": acting(person)}
    roles, bindings = space.path("roles", group=RBAC), space.path("rolebindings", group=RBAC)
    made = space.api.post(roles, json=role("fine", READ_MAPS), **mine)
    assert made.status_code == 201
    more = space.api.post(roles, json=role("more", (["get", "list"], [""], ["nodes"])), **mine)
    told = (
        f'user "{person}" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:'
    )
    assert (more.status_code, more.json()["reason"]) == (403, "Forbidden")
    right = '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}'
    assert more.json()["message"] == f'roles.rbac.authorization.k8s.io "more" is forbidden: {told}\n{right}'
    patch = {"rules": [dict(zip(("verbs", "apiGroups", "resources"), (["*"], ["*"], ["*"]), strict=True))]}
    header = {**acting(person), "content-type": "application/merge-patch+json"}
    assert space.api.patch(f"{roles}/fine", content=json.dumps(patch), headers=header).status_code == 403
    assert space.api.post(bindings, json=binding("b", "edit", "ClusterRole", "eve"), **mine).status_code == 201
    refused = space.api.post(bindings, json=binding("c", "cluster-admin", "ClusterRole", "eve"), **mine)
    assert (refused.status_code, "not currently held" in refused.json()["message"]) == (403, True)
    absent = space.api.post(bindings, json=binding("d", "no-such-role", user="eve"), **mine)
    assert (absent.status_code, absent.json()["reason"]) == (404, "NotFound")
    give(space, person, (["bind"], ["rbac.authorization.k8s.io"], ["clusterroles"]), name="binds")
    again = space.api.post(bindings, json=binding("c", "cluster-admin", "ClusterRole", "eve"), **mine)
    assert again.status_code == 201, "the verb bind lets somebody give what they have not"


def test_an_apply_that_makes_an_object_needs_the_right_to_create(space, person):
    give(space, person, (["get", "patch"], [""], ["configmaps"]))
    space.config_map("there")
    headers = {**acting(person), "content-type": "application/apply-patch+yaml"}
    codes = {}
    for name in ("there", "new"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}
        how = {"content": json.dumps(body), "headers": headers, "params": {"fieldManager": "me"}}
        codes[name] = space.api.patch(space.path("configmaps", name), **how).status_code
    assert codes == {"there": 200, "new": 403}


@pytest.mark.parametrize(
    ("plural", "body", "told"),
    [
        ("roles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "rules[0].verbs: Required value"),
        ("roles", {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}, "rules[0].apiGroups: Required value"),
        ("roles", {"rules": [{"verbs": ["get"], "apiGroups": [""]}]}, "rules[0].resources: Required value"),
        ("roles", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/a"]}]}, "namespaced rules cannot apply"),
        ("rolebindings", {"roleRef": {"kind": "Robe", "name": "x"}}, 'roleRef.kind: Unsupported value: "Robe"'),
        ("rolebindings", {"roleRef": {"kind": "Role", "name": "a/b"}}, "may not contain '/'"),
        (
            "rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "Dog", "name": "rex"}]},
            'subjects[0].kind: Unsupported value: "Dog"',
        ),
    ],
)
def test_what_is_wrong_with_a_role_or_a_binding(space, plural, body, told):
    answer = space.create(plural, {"metadata": {"name": "wrong"}, **body}, RBAC)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid"), answer.text
    assert told in answer.json()["message"]


def test_a_binding_keeps_its_role(space):
    space.made("rolebindings", binding("one", "first", user="eve"), RBAC)
    change = {"roleRef": {"kind": "Role", "name": "second", "apiGroup": RBAC.partition("/")[0]}}
    path = space.path("rolebindings", "one", RBAC)
    answer = space.patch(path, "merge-patch+json", change)
    assert (answer.status_code, "cannot change roleRef" in answer.json()["message"]) == (422, True)


def test_kubectl_writes_and_shows_roles(kubectl, space):
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    kubectl("create", "rolebinding", "reads", "--role=reader", "--user=eve", f"--serviceaccount={space.name}:robot")
    assert "pods/log" in kubectl("describe", "role", "reader").stdout
    assert "eve" in kubectl("describe", "rolebinding", "reads").stdout
    wide = kubectl("get", "rolebinding", "reads", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert wide[1].split()[:2] == ["reads", "Role/reader"]
    assert f"{space.name}/robot" in wide[1]
    assert kubectl("auth", "can-i", "list", "pods", "--as", "eve").stdout == "yes\n"
    assert kubectl("auth", "can-i", "delete", "pods", "--as", "eve", ok=False).stdout == "no\n"
    assert "pods/log" in kubectl("auth", "can-i", "--list", "--as", "eve").stdout
    assert kubectl("auth", "whoami", "--as", "eve", "-o", "jsonpath={.status.userInfo.username}").stdout == "eve"
