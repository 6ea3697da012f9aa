"""Wait for objects of a cluster; when the time is up, say why they are not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from maas_lab import wait
from maas_lab.api import Api
from maas_lab.diagnosis import diagnose
from maas_lab.errors import ClusterUnreachable, NotFound, TookTooLong
from maas_lab.kinds import Ref
from maas_lab.readiness import complaints, state
from maas_lab.tables import PodRow

EVERY = 0.5  # seconds
ABSENT_S = 20  # what was applied is there at once, what a controller makes some seconds later
# A pod that waits for one of these does not get on by itself.
STUCK = ("CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CrashLoopBackOff")


def until_ready(api: Api, refs: Iterable[Ref], timeout: float, progress: Callable[[str], object] | None) -> None:
    """Wait until objects are ready.

    Args:
        api: of the cluster.
        refs: the objects.
        timeout: seconds to wait for all of them.
        progress: called with a line whenever one gets on.

    Raises:
        NotFound: not one of them is there, and nobody makes them.
        TookTooLong: some are not ready; why says what their conditions, events and logs tell.
    """
    waiting, seen, begun = dict.fromkeys(refs, ""), set(), time.monotonic()

    def all_ready() -> bool:
        for ref, told in list(waiting.items()):
            body = api.find(ref)
            seen.update([ref] if body else [])
            ready, waiting[ref] = state(body) if body else (False, "does not exist yet")
            if progress and waiting[ref] != told:
                progress(f"{ref}: {waiting[ref]}")
            if ready:
                del waiting[ref]
        if waiting and not seen and time.monotonic() - begun > ABSENT_S:
            raise _absent(waiting)
        return not waiting

    _until(all_ready, waiting, "become ready", timeout, lambda: diagnose(api, waiting))


def _absent(refs: Iterable[Ref]) -> NotFound:
    first, *others = map(str, refs)
    what = f"{first} does not exist" + (f", and {len(others)} more" if others else "")
    why = f"for {ABSENT_S} s there was nothing to wait for"
    return NotFound(what, why, "run the cell again that applies it, and read what it says")


def until_gone(api: Api, refs: Iterable[Ref], timeout: float, uids: Mapping[Ref, str] | None = None) -> None:
    """Wait until objects are gone.

    Args:
        api: of the cluster.
        refs: the objects.
        timeout: seconds to wait for all of them.
        uids: of those that are meant; one of the same name that somebody has made anew is another.

    Raises:
        TookTooLong: some are still there; why says what holds them.
    """
    waiting = dict.fromkeys(refs, "")

    def all_gone() -> bool:
        for ref in list(waiting):
            body = api.find(ref)
            if body is None or _is_another(body, (uids or {}).get(ref, "")):
                del waiting[ref]
                continue
            held = [f"finalizer {one}" for one in body["metadata"].get("finalizers") or []]
            waiting[ref] = "; ".join([*held, *complaints(body)]) or "it is still there"
        return not waiting

    _until(all_gone, waiting, "go", timeout, lambda: "\n".join(f"{ref}: {held}" for ref, held in waiting.items()))


def _is_another(body: Mapping[str, Any], uid: str) -> bool:
    return uid not in ("", "unknown", body["metadata"].get("uid"))


def until_stuck(pods: Callable[[], Iterable[PodRow]], namespace: str, timeout: float) -> PodRow:
    """Wait until a pod cannot get on by itself, and return its row.

    Args:
        pods: asks for the pods.
        namespace: where they are, for the error.
        timeout: seconds to wait.

    Raises:
        TookTooLong: no pod is stuck.
    """
    return wait.until(
        lambda: next((row for row in pods() if row.reason in STUCK and row.phase != "Terminating"), None),
        what=f"a pod in {namespace} that cannot get on",
        timeout=timeout,
        every=EVERY,
        transient=(ClusterUnreachable,),
        hint="`cluster.pods(namespace)` shows how they are",
    )


def _until(
    check: Callable[[], bool], waiting: Iterable[Ref], verb: str, timeout: float, why: Callable[[], str]
) -> None:
    try:
        # A cluster that is busy drops a call now and then.
        wait.until(check, what="objects", timeout=timeout, every=EVERY, transient=(ClusterUnreachable,))
    except TookTooLong as error:
        what = f"waited {timeout:g} s for {', '.join(map(str, waiting))} to {verb}"
        hint = "`cluster.describe(kind, name)` shows an object in full; `timeout=` gives it more time"
        raise TookTooLong(what, error.why or why(), hint) from None
