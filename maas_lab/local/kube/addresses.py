"""Give Services their addresses and node ports, each only once."""

from __future__ import annotations

import ipaddress
import itertools

from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.status import Cause, invalid
from maas_lab.local.kube.store import Object, Store

SERVICE = of("v1", "Service")
NETWORK = ipaddress.ip_network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)
ADDRESS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def cluster_ip(name: str, spec: Object, store: Store) -> Object:
    """Return the address of a new Service: the one that it names, else the next that is free.

    Raises:
        ApiError: 422, the address is taken or outside the cluster's network.
    """
    taken = {one["spec"].get("clusterIP") for _, one, _ in store.list(SERVICE)}
    wanted = spec.get("clusterIP")
    if wanted and wanted != "None":
        _check(name, wanted, taken)
    address = wanted or next(str(one) for one in itertools.islice(NETWORK.hosts(), 9, None) if str(one) not in taken)
    return {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}


def with_node_ports(ports: list[Object], store: Store) -> list[Object]:
    """Return the ports of a new Service with a node port each."""
    others = [port for _, one, _ in store.list(SERVICE) for port in one["spec"].get("ports") or ()]
    taken = {port.get("nodePort") for port in (*others, *ports)}
    free = (port for port in NODE_PORTS if port not in taken)
    return [port if port.get("nodePort") else {**port, "nodePort": next(free)} for port in ports]


def kept(old: Object, new: Object) -> Object:
    """Return the spec of a Service's new state with the address it had, where that names none."""
    if new.get("type") == "ExternalName":
        return new
    had = {name: old[name] for name in ADDRESS if name in old}
    return {**had, **{name: value for name, value in new.items() if value or name not in had}}


def _check(name: str, wanted: str, taken: set[str]) -> None:
    try:
        inside = ipaddress.ip_address(wanted) in NETWORK
    except ValueError:
        return  # validation says what is wrong with it
    why = f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {NETWORK}"
    if inside and wanted in taken:
        why = "provided IP is already allocated"
    if not inside or wanted in taken:
        told = f'Invalid value: ["{wanted}"]: failed to allocate IP {wanted}: {why}'
        raise invalid(SERVICE, name, [Cause("spec.clusterIPs", "FieldValueInvalid", told)])
