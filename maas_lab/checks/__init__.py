"""One check per exercise: it asks the live system, prints one line when all is right, or raises with a hint.

Asked again, a check gives the next hint; after the last one it names the section to read again.
"""

from maas_lab.checks.accountant import billable, hits, overspent, runaway, tokens
from maas_lab.checks.bill import discrepancy, invoiced
from maas_lab.checks.challenge import contained, offered, post_mortem, rolled_out, selected, topped_up, trusted
from maas_lab.checks.consumer import booked, retries, rotated, sdk, stream, tickets
from maas_lab.checks.gitops import healed, mended, synced
from maas_lab.checks.problem import busy, replicas, unknown, unplaced
from maas_lab.checks.provider import gate, order, repaired, route, served
from maas_lab.checks.start import connected, pods
from maas_lab.checks.summary import fitting, precisions

__all__ = [
    "billable",
    "booked",
    "busy",
    "connected",
    "contained",
    "discrepancy",
    "fitting",
    "gate",
    "healed",
    "hits",
    "invoiced",
    "mended",
    "offered",
    "order",
    "overspent",
    "pods",
    "post_mortem",
    "precisions",
    "repaired",
    "replicas",
    "retries",
    "rolled_out",
    "rotated",
    "route",
    "runaway",
    "sdk",
    "selected",
    "served",
    "stream",
    "synced",
    "tickets",
    "tokens",
    "topped_up",
    "trusted",
    "unknown",
    "unplaced",
]
