"""Fetch the image of one container, with the states, events and pauses of a kubelet."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from maas_lab.local.images import Image
from maas_lab.local.kube.controllers.work import Clock
from maas_lab.local.kubelet.pulls import Pull, Pulls
from maas_lab.local.kubelet.tools import CREATING, BackOff, Waiting

SHOWN_S = 1.0  # how long the error itself stands in the status before the pause does
_REFERENCE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]*")  # close to what a reference may be: no spaces, no capital first


class Fetcher:
    """Fetches what one container runs.

    Args:
        tell: records an event about the container: type, reason and message.
    """

    def __init__(self, pulls: Pulls, clock: Clock, tell: Callable[[str, str, str], None]) -> None:
        self._pulls, self._clock, self._tell = pulls, clock, tell
        self._reference = ""
        self._forget()

    def _forget(self) -> None:
        self._pull: Pull | None = None
        self._told = ""
        self._failed: tuple[datetime, str] | None = None
        self._back_off = BackOff()

    def image(self, reference: str, policy: str) -> Image:
        """Return the image of a reference, pulled as `imagePullPolicy` says.

        Raises:
            Waiting: it is not there yet, or not to be had.
        """
        if reference != self._reference:
            self._forget()
            self._reference = reference
        if not _REFERENCE.fullmatch(reference):
            why = f'Failed to apply default image tag "{reference}": couldn\'t parse image name "{reference}": '
            why += "invalid reference format"
            told = [("Warning", "InspectFailed", why), ("Warning", "Failed", "Error: InvalidImageName")]
            raise Waiting("InvalidImageName", why, None, *told)
        image = self._pulls.find(reference)
        if self._pull is None and image is not None and self._pulls.is_present(image):
            self._tell_present(policy)
            return image
        if policy == "Never":
            why = f'Container image "{reference}" is not present with pull policy of Never'
            told = [("Warning", "ErrImageNeverPull", why), ("Warning", "Failed", "Error: ErrImageNeverPull")]
            raise Waiting("ErrImageNeverPull", why, None, *told)
        self._check_pause()
        return self._pulled(image)

    def _tell_present(self, policy: str) -> None:
        if policy == "Always":
            self._tell("Normal", "Pulling", f'Pulling image "{self._reference}"')
            self._tell_pulled(0.0)
        else:
            told = f'Container image "{self._reference}" already present on machine'
            self._tell("Normal", "Pulled", told)

    def _tell_pulled(self, seconds: float) -> None:
        took = f"{seconds:.3g}s"
        told = f'Successfully pulled image "{self._reference}" in {took} ({took} including waiting).'
        self._tell("Normal", "Pulled", told)

    def _check_pause(self) -> None:
        if self._failed is None:
            return
        at, error = self._failed
        now = self._clock()
        if (left := self._back_off.left_s(at, now)) <= 0:
            return
        if (age := (now - at).total_seconds()) < SHOWN_S:
            raise Waiting("ErrImagePull", error, SHOWN_S - age)
        why = f'Back-off pulling image "{self._reference}"'
        told = [("Normal", "BackOff", why), ("Warning", "Failed", "Error: ImagePullBackOff")]
        raise Waiting("ImagePullBackOff", f"{why}: ErrImagePull: {error}", left, *told)

    def _pulled(self, image: Image | None) -> Image:
        if self._pull is None:
            self._tell("Normal", "Pulling", f'Pulling image "{self._reference}"')
            if image is None:
                self._fail(self._pulls.missing(self._reference))
            self._pull = self._pulls.pull(image)
        if not self._pull.done:
            if self._pull.told != self._told:
                self._told = self._pull.told
                self._tell("Normal", "Pulling", f'Pulling image "{self._reference}": {self._told}')
            raise Waiting(CREATING)
        pull, self._pull = self._pull, None
        if pull.error:
            self._fail(pull.error)
        self._tell_pulled(pull.seconds)
        return image

    def _fail(self, error: str) -> NoReturn:
        self._failed = (self._clock(), error)
        self._back_off.next(self._clock())
        self._tell("Warning", "Failed", f'Failed to pull image "{self._reference}": {error}')
        raise Waiting("ErrImagePull", error, SHOWN_S, ("Warning", "Failed", "Error: ErrImagePull"))
