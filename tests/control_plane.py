"""What tests on a store in memory do in the place of a running cluster: clear up, and be the kubelet."""

from maas_lab.local.kube.controllers.client import POD


def collect(collector, most=None):
    """Let the collector do what changes have left to do, at most so many, and return how many there were."""
    changes = 0
    while not collector._changed.empty() and changes != most:
        change = collector._changed.get_nowait()
        collector._attempt(change.key, change.object, gone=change.type == "DELETED")
        changes += 1
    return changes


def make_ready(client, pod, at):
    """Say that a pod runs and serves since a moment, as a kubelet does."""
    told = {"type": "Ready", "status": "True", "lastTransitionTime": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    others = [one for one in pod["status"].get("conditions", []) if one["type"] != "Ready"]
    client.update_status(POD, pod, {**pod["status"], "phase": "Running", "conditions": [*others, told]})
