"""What a program does through kr8s, in turn and at once: `with_kr8s.py KUBECONFIG NAMESPACE`."""

# ruff: noqa: PT017  (this is no test of pytest's)
import asyncio
import sys

import kr8s
import kr8s.asyncio
from kr8s.asyncio.objects import ConfigMap as AsyncConfigMap
from kr8s.objects import ConfigMap, Deployment, Service

LABELS = {"app": "k"}


def deployment(name, namespace):
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def in_turn(api, namespace):
    assert api.version()["gitVersion"].startswith("v1.")
    one = Deployment(deployment("kr", namespace), api=api)
    one.create()
    assert one.exists()
    one.scale(1)
    assert one.replicas == 1
    one.scale(0)
    one.patch({"spec": {"minReadySeconds": 1}})
    one.label(team="a")
    one.annotate(note="x")
    one.refresh()
    assert (one.spec.minReadySeconds, one.labels["team"], one.annotations["note"]) == (1, "a", "x")
    assert one.pods() == []
    assert [found.name for found in api.get("deployments", namespace=namespace, label_selector="team=a")] == ["kr"]
    found = api.get("deployments", namespace=namespace, field_selector={"metadata.name": "kr"})
    assert [one.name for one in found] == ["kr"]
    service = Service({"metadata": {"name": "kr", "namespace": namespace}, "spec": {"ports": [{"port": 80}]}}, api=api)
    service.create()
    assert service.spec.ports[0].protocol == "TCP"
    try:
        Deployment(deployment("kr", namespace), api=api).create()
    except kr8s.ServerError as error:
        assert error.response.status_code == 409
    else:
        raise AssertionError("a second object of a name was created")
    one.delete()
    one.wait("delete", timeout=20)
    assert not one.exists()
    try:
        ConfigMap.get("none", namespace=namespace, api=api)
    except kr8s.NotFoundError:
        pass
    else:
        raise AssertionError("an object was found that there is not")


async def at_once(kubeconfig, namespace):
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig)
    seen = []

    async def watch():
        async for what, found in api.watch("configmaps", namespace=namespace, label_selector="app=k"):
            seen.append((what, found.name))
            if len(seen) == 5:
                return

    watching = asyncio.create_task(watch())
    bodies = [{"metadata": {"name": f"k{n}", "namespace": namespace, "labels": LABELS}} for n in range(5)]
    made = [await AsyncConfigMap(body, api=api) for body in bodies]
    await asyncio.gather(*(one.create() for one in made))
    await asyncio.wait_for(watching, 20)
    assert sorted(seen) == [("ADDED", f"k{n}") for n in range(5)], seen
    await asyncio.gather(*(one.delete() for one in made))


if __name__ == "__main__":
    in_turn(kr8s.api(kubeconfig=sys.argv[1]), sys.argv[2])
    asyncio.run(at_once(*sys.argv[1:]))
    print(f"all hold with kr8s {kr8s.__version__}")
