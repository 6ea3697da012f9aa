"""Pull images: what the catalogue holds is there, or is downloaded in a thread when first asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from maas_lab.errors import LabError
from maas_lab.local.images import Catalogue, Image


class Pull:
    """One download.

    Attributes:
        done: it has ended.
        error: why it has failed; empty when it has not.
        seconds: how long it took.
        told: the last line that it reported.
    """

    def __init__(self, image: Image, changed: Callable[[], None]) -> None:
        self.done, self.error, self.seconds, self.told = False, "", 0.0, ""
        self._image, self._changed = image, changed
        threading.Thread(target=self._run, name=f"pull {image.reference}", daemon=True).start()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self._image.pull(self._report)
        except LabError as error:
            self.error = " ".join(part for part in (f"{error.what}: {error.why}".rstrip(": "), error.hint) if part)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        self.seconds, self.done = time.monotonic() - began, True
        self._changed()

    def _report(self, text: str) -> None:
        self.told = text
        self._changed()


class Pulls:
    """Knows which images are there, and downloads each of the others once at a time.

    Args:
        changed: called from any thread when a download has got on.
    """

    def __init__(self, catalogue: Catalogue, changed: Callable[[], None]) -> None:
        self._catalogue, self._changed = catalogue, changed
        self._last: dict[str, Pull] = {}

    def find(self, reference: str) -> Image | None:
        """Return the image of a reference, or None."""
        return self._catalogue.find(reference)

    def is_present(self, image: Image) -> bool:
        """Tell whether an image needs no download."""
        last = self._last.get(image.reference)
        return image.pull is None or bool(last and last.done and not last.error)

    def pull(self, image: Image) -> Pull:
        """Return the download of an image that is under way, or begin one."""
        last = self._last.get(image.reference)
        if last is None or last.done:
            last = self._last[image.reference] = Pull(image, self._changed)
        return last

    def missing(self, reference: str) -> str:
        """Return why a reference cannot be pulled."""
        held = ", ".join(self._catalogue.references) or "nothing"
        return (
            f'failed to pull image "{reference}": not found in the catalogue of the local cluster, which pulls from '
            f"no registry; it holds {held}"
        )
