"""Many people, the same model: one server for each of them, and what that holds and does.

own = hoarding.claim(lab.cluster, namespace)  # a namespace that no other run of the lesson has
slot = hoarding.slot(lab, agreed=False)  # refuses to ask for real GPUs unless agreed
lab.cluster.apply(hoarding.own_server(models, "amina", slot))
crowd = hoarding.settle(lab, namespace, names)  # who has got a place, and who waits
desks = {name: hoarding.desk(lab, namespace, name) for name in crowd.running}
calls = hoarding.work(hoarding.days(names), desks)
own.release()
"""

from maas_lab.hoarding.claims import Claim, claim
from maas_lab.hoarding.places import Crowd, Reserved, reserved, settle
from maas_lab.hoarding.servers import Slot, developers, own_server, server_name, slot
from maas_lab.hoarding.working import Desk, Turn, days, desk, witnesses, work
from maas_lab.offers import Offer, offer

__all__ = [
    "Claim",
    "Crowd",
    "Desk",
    "Offer",
    "Reserved",
    "Slot",
    "Turn",
    "claim",
    "days",
    "desk",
    "developers",
    "offer",
    "own_server",
    "reserved",
    "server_name",
    "settle",
    "slot",
    "witnesses",
    "work",
]
