"""One check per exercise: it asks the live system, prints one line when all is right, or raises with a hint.

Asked again, a check gives the next hint; after the last one it names the section to read again.
"""

from maas_lab.checks.consumer import booked, retries, rotated, sdk, stream, tickets
from maas_lab.checks.provider import gate, order, repaired, route, served

__all__ = [
    "booked",
    "gate",
    "order",
    "repaired",
    "retries",
    "rotated",
    "route",
    "sdk",
    "served",
    "stream",
    "tickets",
]
