"""Check pods and the templates they are made from, in the words of the API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maas_lab.local.kube import quantities, syntax
from maas_lab.local.kube.status import Cause

Object = dict[str, Any]
PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_SOURCES = ("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef")


def spec(pod: Object, field: str) -> list[Cause]:
    """Check a pod's spec."""
    found = list(_volumes(pod, field))
    known = {one.get("name") for one in pod.get("volumes", ())}
    containers, inits = pod.get("containers") or [], pod.get("initContainers") or []
    if not containers:
        found.append(syntax.required(f"{field}.containers"))
    names: set[str] = set()
    for where, some in (("containers", containers), ("initContainers", inits)):
        ports: set[str] = set()
        for index, one in enumerate(some):
            here = f"{field}.{where}[{index}]"
            found += _container(one, here, known, is_init=where == "initContainers")
            found += _twice(one, here, names)
            found += _ports(one, here, ports)
    found += syntax.at_least_zero(f"{field}.terminationGracePeriodSeconds", pod.get("terminationGracePeriodSeconds"))
    found += syntax.one_of(f"{field}.restartPolicy", pod.get("restartPolicy"), ("Always", "Never", "OnFailure"))
    dns = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
    found += syntax.one_of(f"{field}.dnsPolicy", pod.get("dnsPolicy"), dns)
    found += syntax.labels(pod.get("nodeSelector"), f"{field}.nodeSelector")
    if account := pod.get("serviceAccountName"):
        found += syntax.all_invalid(f"{field}.serviceAccountName", account, syntax.subdomain(account))
    return found


def template(workload: Object, field: str) -> list[Cause]:
    """Check the pod template of a Deployment, ReplicaSet or StatefulSet, and that its selector matches."""
    made = workload.get("template") or {}
    metadata, pod = made.get("metadata") or {}, made.get("spec") or {}
    found = list(_match(workload, metadata.get("labels"), field))
    found += syntax.labels(metadata.get("labels"), f"{field}.metadata.labels")
    found += spec(pod, f"{field}.spec")
    policy = pod.get("restartPolicy", "Always")
    if policy != "Always":
        found.append(syntax.unsupported(f"{field}.spec.restartPolicy", policy, ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        found.append(syntax.forbidden(f"{field}.spec.activeDeadlineSeconds", "activeDeadlineSeconds is not supported"))
    return found


def _match(workload: Object, labels: Object | None, field: str) -> Iterator[Cause]:
    selector = workload.get("selector")
    if not selector or not matches(selector, labels or {}):
        yield syntax.invalid(f"{field}.metadata.labels", labels, "`selector` does not match template `labels`")


def matches(selector: Object, labels: Object) -> bool:
    """Tell whether a label selector selects some labels."""
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(one, labels) for one in selector.get("matchExpressions") or ())


def _meets(expression: Object, labels: Object) -> bool:
    key, values = expression.get("key"), expression.get("values") or ()
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,  # codespell:ignore notin
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(expression.get("operator"), False)


def _twice(one: Object, here: str, names: set[str]) -> Iterator[Cause]:
    if (name := one.get("name")) in names:
        yield syntax.duplicate(f"{here}.name", name)
    elif name:
        names.add(name)


def _container(one: Object, here: str, volumes: set[str], *, is_init: bool) -> Iterator[Cause]:
    name, image = one.get("name", ""), one.get("image", "")
    if name:
        yield from syntax.all_invalid(f"{here}.name", name, syntax.label(name))
    else:
        yield syntax.required(f"{here}.name")
    if not image:
        yield syntax.required(f"{here}.image")
    elif image != image.strip():
        yield syntax.invalid(f"{here}.image", image, "must not have leading or trailing whitespace")
    yield from syntax.one_of(f"{here}.imagePullPolicy", one.get("imagePullPolicy"), PULL_POLICIES)
    yield from _environment(one, here)
    yield from _mounts(one, here, volumes)
    for which in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := one.get(which)) is None:
            continue
        if is_init and one.get("restartPolicy") != "Always":
            yield syntax.forbidden(f"{here}.{which}", "may not be set for init containers without restartPolicy=Always")
        else:
            yield from _probe(probe, f"{here}.{which}", must_be_one=which != "readinessProbe")
    yield from _resources(one.get("resources") or {}, f"{here}.resources")


def _ports(one: Object, here: str, host_ports: set[str]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(one.get("ports") or ()):
        field = f"{here}.ports[{index}]"
        if name := port.get("name"):
            yield from syntax.all_invalid(f"{field}.name", name, syntax.port_name(name))
            if name in names:
                yield syntax.duplicate(f"{field}.name", name)
            names.add(name)
        number, host = port.get("containerPort", 0), port.get("hostPort")
        if number == 0:
            yield syntax.required(f"{field}.containerPort")
        else:
            yield from syntax.all_invalid(f"{field}.containerPort", number, syntax.port_number(number))
        if host:
            yield from syntax.all_invalid(f"{field}.hostPort", host, syntax.port_number(host))
            told = f"{port.get('protocol')}/{port.get('hostIP', '')}/{host}"
            if told in host_ports:
                yield syntax.duplicate(f"{field}.hostPort", told)
            host_ports.add(told)
        yield from syntax.one_of(f"{field}.protocol", port.get("protocol"), PROTOCOLS)


def _environment(one: Object, here: str) -> Iterator[Cause]:
    for index, variable in enumerate(one.get("env") or ()):
        field = f"{here}.env[{index}]"
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if not name:
            yield syntax.required(f"{field}.name")
        else:
            yield from syntax.all_invalid(f"{field}.name", name, syntax.environment_name(name))
        if source is not None:
            yield from _source(source, f"{field}.valueFrom", variable.get("value"))
    for index, origin in enumerate(one.get("envFrom") or ()):
        yield from _origin(origin, f"{here}.envFrom[{index}]")


def _source(source: Object, field: str, value: str | None) -> Iterator[Cause]:
    named = [name for name in _SOURCES if source.get(name) is not None]
    if not named:
        choices = ", ".join(f"`{name}`" for name in _SOURCES)
        yield syntax.invalid(field, "", f"must specify one of: {choices}")
    elif value:
        yield syntax.invalid(field, "", "may not be specified when `value` is not empty")
    elif len(named) > 1:
        yield syntax.invalid(field, "", "may not have more than one field specified at a time")
    for name in named:
        if name.endswith("KeyRef") and not source[name].get("key"):
            yield syntax.required(f"{field}.{name}.key")


def _origin(origin: Object, field: str) -> Iterator[Cause]:
    named = [name for name in ("configMapRef", "secretRef") if origin.get(name) is not None]
    if len(named) != 1:
        few = "must specify one of: `configMapRef` or `secretRef`"
        yield syntax.invalid(field, "", "may not have more than one field specified at a time" if named else few)
    for name in named:
        if not origin[name].get("name"):
            yield syntax.required(f"{field}.{name}.name")


def _volumes(pod: Object, field: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, volume in enumerate(pod.get("volumes") or ()):
        here, name = f"{field}.volumes[{index}]", volume.get("name", "")
        sources = [one for one in volume if one != "name"]
        if len(sources) > 1:
            yield syntax.forbidden(f"{here}.{sources[1]}", "may not specify more than 1 volume type")
        needed = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName", "hostPath": "path"}
        for source, key in needed.items():
            if source in volume and not volume[source].get(key):
                yield syntax.required(f"{here}.{source}.{key}")
        yield from _paths(volume, here)
        if not name:
            yield syntax.required(f"{here}.name")
            continue
        yield from syntax.all_invalid(f"{here}.name", name, syntax.label(name))
        if name in names:
            yield syntax.duplicate(f"{here}.name", name)
        names.add(name)


def _paths(volume: Object, here: str) -> Iterator[Cause]:
    """Check where the entries of Secrets, ConfigMaps and the like are to lie: nowhere but in their volume."""
    projected = (volume.get("projected") or {}).get("sources") or ()
    places = [(here, volume), *((f"{here}.projected.sources[{index}]", one) for index, one in enumerate(projected))]
    for where, source in places:
        for name in ("configMap", "secret", "downwardAPI"):
            for index, item in enumerate((source.get(name) or {}).get("items") or ()):
                field, path = f"{where}.{name}.items[{index}].path", item.get("path") or ""
                if not path:
                    yield syntax.required(field)
                yield from syntax.all_invalid(field, path, syntax.local_path(path))


def _mounts(one: Object, here: str, volumes: set[str]) -> Iterator[Cause]:
    paths: set[str] = set()
    for index, mount in enumerate(one.get("volumeMounts") or ()):
        field, name, path = f"{here}.volumeMounts[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield syntax.required(f"{field}.name")
        elif name not in volumes:
            yield syntax.not_found(f"{field}.name", name)
        if not path:
            yield syntax.required(f"{field}.mountPath")
        elif path in paths:
            yield syntax.invalid(f"{field}.mountPath", path, "must be unique")
        paths.add(path)
        for part in ("subPath", "subPathExpr"):
            yield from syntax.all_invalid(f"{field}.{part}", mount.get(part), syntax.local_path(mount.get(part) or ""))


def _probe(probe: Object, field: str, *, must_be_one: bool) -> Iterator[Cause]:
    handlers = [name for name in _HANDLERS if probe.get(name) is not None]
    if not handlers:
        yield syntax.required(field, "must specify a handler type")
    for extra in handlers[1:]:
        yield syntax.forbidden(f"{field}.{extra}", "may not specify more than 1 handler type")
    for name in handlers[:1]:
        if name == "exec":
            if not probe[name].get("command"):
                yield syntax.required(f"{field}.exec.command")
            continue
        yield from port_reference(probe[name].get("port", 0), f"{field}.{name}.port")
        if name == "httpGet":
            yield from syntax.one_of(f"{field}.httpGet.scheme", probe[name].get("scheme"), ("HTTP", "HTTPS"))
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield from syntax.at_least_zero(f"{field}.{name}", probe.get(name))
    if must_be_one and probe.get("successThreshold", 1) != 1:
        yield syntax.invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1")


def port_reference(port: Any, field: str) -> list[Cause]:
    """Check a port given by number or name."""
    problems = syntax.port_name(port) if isinstance(port, str) else syntax.port_number(port)
    return syntax.all_invalid(field, port, problems)


def _resources(resources: Object, field: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, some in (("limits", limits), ("requests", requests)):
        for name, value in sorted(some.items()):
            yield from _resource_name(name, f"{field}.{kind}")
            here = f"{field}.{kind}[{name}]"
            if quantities.value(value) < 0:
                yield syntax.invalid(here, value, "must be greater than or equal to 0")
            if _is_extended(name) and quantities.value(value) % 1:
                yield syntax.invalid(here, value, "must be an integer")
    for name, value in sorted(requests.items()):
        limit = limits.get(name)
        if limit is None:
            if _is_extended(name):
                yield syntax.required(f"{field}.limits", "Limit must be set for non overcommitable resources")
        elif _is_extended(name) and quantities.value(value) != quantities.value(limit):
            yield syntax.invalid(f"{field}.requests", value, f"must be equal to {name} limit of {limit}")
        elif quantities.value(value) > quantities.value(limit):
            yield syntax.invalid(f"{field}.requests", value, f"must be less than or equal to {name} limit of {limit}")


def _is_extended(name: str) -> bool:
    return name not in _STANDARD and not name.startswith("hugepages-")


def _resource_name(name: str, field: str) -> Iterator[Cause]:
    here = f"{field}[{name}]"
    yield from syntax.all_invalid(here, name, syntax.qualified_name(name))
    if "/" not in name and _is_extended(name):
        yield syntax.invalid(here, name, "must be a standard resource type or fully qualified")
        yield syntax.invalid(here, name, "must be a standard resource for containers")
