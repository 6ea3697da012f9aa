"""Serve the portal's pages as their container's environment says: `python -m maas_lab.local.frontend`."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

from aiohttp import web

from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.local.frontend.app import Front
from maas_lab.local.frontend.configuration import Configuration


class _Discreet(logging.Formatter):
    """Tells where something went wrong, and not its words: they may hold what somebody has sent."""

    def formatException(self, ei: Any) -> str:
        return f"{ei[0].__name__}\n{''.join(traceback.format_tb(ei[2], limit=-4))}"


def main() -> int:
    """Serve until asked to end."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
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
