"""Serve the portal as its container's environment says: `python -m maas_lab.local.portal`."""

from __future__ import annotations

import logging
import sys

import uvicorn

from maas_lab import settings
from maas_lab.errors import LabError
from maas_lab.local.portal.api import Api
from maas_lab.local.portal.configuration import Configuration
from maas_lab.local.portal.portal import Portal


def main() -> int:
    """Serve until asked to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stdout)
    for chatty in ("httpx", "httpcore"):  # they log addresses, whose parameters may be secrets
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        chosen = Configuration.read(settings.own_environment())
    except LabError as error:
        print("\n".join(error.lines()), flush=True)
        return error.exit_code
    options = {"access_log": False, "log_config": None, "server_header": False, "timeout_graceful_shutdown": 5}
    options |= {"proxy_headers": False}  # nothing here depends on where a request comes from
    uvicorn.run(Api(Portal(chosen)).app(), host=chosen.host, port=chosen.port, lifespan="on", **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
