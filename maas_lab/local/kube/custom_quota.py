"""Describe OpenShift's quota over several namespaces, as its CRD does."""

from __future__ import annotations

from maas_lab.local.kube.shapes import OPEN, TEXT, TEXTS, Schema, many, struct

_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY: Schema = {
    "x-kubernetes-int-or-string": True,
    "pattern": rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$",
}
_AMOUNTS: Schema = {"type": "object", "additionalProperties": _QUANTITY}
_STATUS = struct(hard=_AMOUNTS, used=_AMOUNTS)
QUOTA = struct(
    "spec",
    spec=struct(
        "quota selector",
        quota=struct(hard=_AMOUNTS, scopeSelector=OPEN, scopes=many(TEXT)),
        selector=struct(
            annotations=TEXTS,
            labels={"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"},
        ),
    ),
    status=struct(
        "total",
        namespaces=many(struct("namespace status", namespace=TEXT, status=_STATUS)),
        total=_STATUS,
    ),
)
