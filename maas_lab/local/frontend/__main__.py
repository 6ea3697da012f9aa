"""Serve the portal's pages as their container's environment says: `python -m maas_lab.local.frontend`."""

from __future__ import annotations

import logging
import sys

from aiohttp import web

from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.local.frontend.app import Front
from maas_lab.local.frontend.configuration import Configuration


def main() -> int:
    """Serve until asked to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stdout)
    try:
        chosen = Configuration.read(settings.own_environment())
    except LabError as error:
        print("\n".join(error.lines()), flush=True)
        return error.exit_code
    # No access log: addresses carry codes and states.
    options = {"access_log": None, "print": None, "shutdown_timeout": 5, "handle_signals": True}
    web.run_app(Front(chosen).app(), host=chosen.host, port=chosen.port, **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
