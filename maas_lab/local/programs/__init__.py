"""The images of the local cluster: for each one, how its program runs on this machine."""

from __future__ import annotations

from maas_lab.local.images import Catalogue
from maas_lab.local.programs import litellm, llamacpp, portal, postgres
from maas_lab.local.runtime import Runtime
from maas_lab.settings import Settings


def catalogue(runtime: Runtime, settings: Settings) -> Catalogue:
    """Return every image that can run here.

    Args:
        runtime: where the programs are installed.
        settings: what the user chose for the model server.
    """
    model_server = llamacpp.image(runtime, settings.model)
    return Catalogue([postgres.image(runtime), litellm.image(runtime), model_server, portal.image(runtime)])
