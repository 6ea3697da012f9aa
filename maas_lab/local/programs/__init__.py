"""The images of the local cluster: for each one, how its program runs on this machine."""

from __future__ import annotations

from maas_lab.local.images import Catalogue
from maas_lab.local.programs import frontend, grader, litellm, llamacpp, portal, postgres, surroundings, vllm
from maas_lab.local.runtime import Runtime
from maas_lab.settings import Settings


def catalogue(runtime: Runtime, settings: Settings) -> Catalogue:
    """Return every image that can run here.

    Args:
        runtime: where the programs are installed.
        settings: what the user chose for the model server and for prices.
    """
    models = (*llamacpp.images(runtime, settings.model), vllm.image(runtime))
    portals = (portal.image(runtime), frontend.image(runtime))
    own = (postgres.image(runtime), litellm.image(runtime), grader.image(runtime))
    images = [*own, *portals, *models]
    return Catalogue(images, surroundings.told(settings.prices))
