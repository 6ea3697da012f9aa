"""Answer requests for objects: read the body, do what the verb says, show the result as the client asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from maas_lab.local.kube import (
    bodies,
    deletion,
    lists,
    paths,
    projects,
    queries,
    reviews,
    selectors,
    strategy,
    tables,
    watching,
)
from maas_lab.local.kube.audit import ALLOW, FORBID, Entry
from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.lifecycle import NAMESPACE, Objects, Target, Written
from maas_lab.local.kube.rbac.authorizer import Authorizer
from maas_lab.local.kube.rbac.escalation import Guard
from maas_lab.local.kube.status import ApiError, bad_request, not_found, success, unsupported_media_type
from maas_lab.local.kube.store import Object, dump
from maas_lab.local.kube.tokens import Tokens
from maas_lab.local.kube.users import User

Logs = Callable[[Object, str, Mapping[str, str]], AsyncIterator[bytes]]
Usage = Callable[[list[Object]], list[Object]]
POD = of("v1", "Pod")
READ = (bodies.JSON, bodies.YAML, bodies.PROTOBUF)


def no_logs(pod: Object, container: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Stand in for a kubelet where none runs: no container has been started.

    Raises:
        ApiError: 400, always.
    """
    name = pod["metadata"]["name"]
    raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating')


def no_usage(pods: list[Object]) -> list[Object]:
    """Stand in for a kubelet where none runs: no pod uses anything."""
    return []


class Stream(StreamingResponse):
    """An answer that goes on until its text or its client is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the text, and listen for the client's end: uvicorn says nothing of that to who only sends.

        It promises to, as version 2.4 of ASGI asks for, and Starlette would trust it.
        """
        await super().__call__({**scope, "asgi": {**scope["asgi"], "spec_version": "2.3"}}, receive, send)


@dataclass(frozen=True)
class Call:
    """One request for objects, taken apart."""

    target: Target
    verb: str
    user: User
    query: Mapping[str, str]
    form: tables.Form
    content_type: str
    user_agent: str
    body: bytes

    guard: Guard

    def options(self, kind: str) -> queries.WriteOptions:
        """Return the options of a write."""
        return replace(queries.write_options(kind, self.query, self.user_agent), guard=self.guard)


class Handlers:
    """Answers requests for objects.

    Args:
        authorizer: knows who may do what.
        logs: where the lines of a pod's container come from; a kubelet's hook.
        usage: gives the PodMetrics of those of some pods that run; a kubelet's hook.
    """

    def __init__(
        self, objects: Objects, tokens: Tokens, authorizer: Authorizer, logs: Logs = no_logs, usage: Usage = no_usage
    ) -> None:
        self._objects, self._store, self._tokens, self._logs, self._usage = objects, objects.store, tokens, logs, usage
        self._authorizer, self._project_list = authorizer, projects.Projects(objects, authorizer)
        self.watches = watching.Watches(objects.store)

    async def answer(self, request: Request, user: User, query: Mapping[str, str], entry: Entry) -> Response:
        """Answer a request.

        Args:
            request: for objects.
            user: as whom it is made.
            query: of its address.
            entry: of the audit log; what is asked, and whether it is allowed, is noted there.

        Raises:
            ApiError: it is refused.
        """
        target = paths.target(request.url.path)
        verb = paths.verb(request.method, target, watch=queries.boolean(query, "watch"))
        entry.asked, entry.decision = paths.asked(target, verb, query), FORBID
        self._authorizer.check(user, entry.asked, target.kind)
        entry.decision = ALLOW
        form = tables.form(request.headers.get("accept", ""), query.get("includeObject", ""))
        body = await read(request)
        kind = bodies.media_type(request.headers.get("content-type", ""))
        agent = request.headers.get("user-agent", "")
        call = Call(target, verb, user, query, form, kind, agent, body, Guard(self._authorizer, user))
        if not target.kind.stored:
            return self._virtual(call)
        return getattr(self, f"_{verb}")(call)

    def _get(self, call: Call) -> Response:
        obj = self._objects.read(call.target)
        if call.target.part == "log":
            return self._log(obj, call.query)
        if call.target.part == "scale":
            return respond(strategy.scale(obj), call.form)
        return respond(tables.one(call.target.kind, obj, call.form), call.form)

    def _list(self, call: Call) -> Response:
        text = lists.answer(self._store, call.target, self._test(call), call.form, call.query)
        return respond(text, call.form)

    def _watch(self, call: Call) -> Response:
        how = watching.wanted(call.target, self._test(call), call.form, call.query)
        headers = {"cache-control": "no-cache, private"}
        return Stream(self.watches.events(how), media_type=bodies.JSON, headers=headers)

    def _create(self, call: Call) -> Response:
        if call.target.part == "token":
            account, request = self._objects.read(call.target), self._object(call)
            return respond(reviews.token_request(self._tokens, account, request), call.form, 201)
        options = call.options("CreateOptions")
        return self._written(call, self._objects.create(call.target, self._object(call), options))

    def _update(self, call: Call) -> Response:
        options = call.options("UpdateOptions")
        return self._written(call, self._objects.update(call.target, self._object(call), options))

    def _patch(self, call: Call) -> Response:
        how = bodies.PATCHES.get(call.content_type)
        if how is None or (how == "strategic" and call.target.kind.custom):
            raise bodies.refused_patch(call.target.kind, call.content_type)
        options = call.options("PatchOptions")
        change = _patch_body(how, call.body)
        if how != "apply":
            return self._written(call, self._objects.patch(call.target, how, change, options))
        queries.require_manager(call.query)
        return self._written(call, self._objects.apply(call.target, change, options))

    def _delete(self, call: Call) -> Response:
        how = self._delete_options(call)
        left = deletion.delete(self._objects, call.target, how)
        shown = left if left["kind"] == "Status" else tables.one(call.target.kind, left, call.form)
        return respond(shown, call.form, warnings=deletion.warnings(call.target.kind, how))

    def _deletecollection(self, call: Call) -> Response:
        how = self._delete_options(call)
        version = self._store.version
        gone = deletion.delete_collection(self._objects, call.target, self._test(call), how)
        items = [(None, obj, dump(obj)) for obj in gone]
        return respond(tables.many(call.target.kind, items, call.form, {"resourceVersion": str(version)}), call.form)

    def _delete_options(self, call: Call) -> deletion.DeleteOptions:
        return deletion.options(self._object(call) if call.body.strip() else None, dict(call.query))

    def _test(self, call: Call) -> selectors.Test:
        labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
        return selectors.selector(call.target.kind, labels, fields)

    def _written(self, call: Call, result: Written) -> Response:
        shown = result.object
        if shown["kind"] == call.target.kind.kind:
            shown = tables.one(call.target.kind, shown, call.form)
        return respond(shown, call.form, 201 if result.created else 200, result.warnings)

    def _object(self, call: Call) -> Object:
        """Return the object in a request's body."""
        kind, body = call.target.kind, call.body
        if call.content_type == bodies.PROTOBUF:
            return self._objects.rules.protobuf(body)
        if call.content_type not in ("", bodies.JSON, bodies.YAML):
            raise unsupported_media_type(READ)
        try:
            parsed = bodies.parse_yaml(body) if call.content_type == bodies.YAML else bodies.parse_json(body)
        except ValueError as error:
            raise bodies.unrecognized(kind, str(error), body) from error
        if not isinstance(parsed, dict):
            raise bodies.unrecognized(kind, bodies.no_object(parsed), body)
        return parsed

    def _virtual(self, call: Call) -> Response:
        """Answer for a kind that is not kept."""
        name = call.target.kind.kind
        if name == "User":
            return respond(reviews.openshift_user(call.user, call.target.name), call.form)
        if name == "Project":
            return self._projects(call)
        if name == "PodMetrics":
            return self._pod_metrics(call)
        options = call.options("CreateOptions")
        review = self._objects.review(call.target.kind, self._object(call), options)
        if name == "ProjectRequest":
            made = self._project_list.request(call.user, call.target.kind, review, options)
            return respond(tables.one(projects.PROJECT, made, call.form), call.form, 201)
        answer = reviews.answer(self._authorizer, self._tokens, call.user, review, call.target.namespace)
        return respond(answer, call.form, 201)

    def _projects(self, call: Call) -> Response:
        place = Target(NAMESPACE, "", call.target.name)
        if call.verb == "get":
            found = projects.shown(self._objects.read(place))
            return respond(tables.one(call.target.kind, found, call.form), call.form)
        if call.verb == "delete":
            deletion.delete(self._objects, place, self._delete_options(call))
            return respond(success(call.target.kind, call.target.name, ""), call.form)
        if call.verb == "watch":
            raise ApiError(405, "MethodNotAllowed", "projects cannot be watched here; watch namespaces instead", {})
        shown = self._project_list.seen_by(call.user)
        test = self._test(call)
        items = [(key, obj, dump(obj)) for key, obj in shown if test(obj)]
        metadata = {"resourceVersion": str(self._store.version)}
        return respond(tables.many(call.target.kind, items, call.form, metadata), call.form)

    def _pod_metrics(self, call: Call) -> Response:
        kind, namespace, name = call.target.kind, call.target.namespace, call.target.name
        if call.verb == "get":
            told = self._usage([self._objects.read(Target(POD, namespace, name))])
            if not told:
                raise not_found(replace(kind, plural="podmetrics"), f"{namespace}/{name}")
            return respond(tables.one(kind, told[0], call.form), call.form)
        test = self._test(call)
        told = self._usage([pod for _, pod, _ in self._store.list(POD, namespace) if test(pod)])
        return respond(tables.many(kind, [(None, one, dump(one)) for one in told], call.form, {}), call.form)

    def _log(self, pod: Object, query: Mapping[str, str]) -> Response:
        names = [one["name"] for one in pod["spec"].get("containers", [])]
        name, wanted = pod["metadata"]["name"], query.get("container", "")
        if wanted and wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        if not wanted and len(names) > 1:
            choices = " ".join(names)
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
        return Stream(self._logs(pod, wanted or names[0], query), media_type="text/plain")


async def read(request: Request) -> bytes:
    """Return a request's body, but not more of it than is allowed.

    Raises:
        ApiError: 413, it is larger.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        bodies.check_size(body)
    return bytes(body)


def respond(told: Any, form: tables.Form, code: int = 200, warnings: tuple[str, ...] = ()) -> Response:
    """Return a response with an object or with JSON text."""
    text, media = told if isinstance(told, bytes) else dump(told), bodies.JSON
    if form.yaml:
        text, media = yaml.safe_dump(bodies.parse_json(text), allow_unicode=True).encode(), bodies.YAML
    response = Response(text, code, media_type=media, headers={"cache-control": "no-cache, private"})
    for warning in warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        plain = "".join(one if one.isprintable() and one.isascii() else " " for one in escaped)
        response.headers.append("warning", f'299 - "{plain}"')
    return response


def _patch_body(how: str, body: bytes) -> Any:
    try:
        change = bodies.parse_yaml(body) if how == "apply" else bodies.parse_json(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    expected = list if how == "json" else dict
    if not isinstance(change, expected):
        raise bad_request(f"error decoding patch: a {how} patch must be {'a list' if how == 'json' else 'an object'}")
    return change
