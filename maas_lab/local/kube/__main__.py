"""Start the Kubernetes API alone, without kubelet: `python -m maas_lab.local.kube --home FOLDER --schemas FILE`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from maas_lab.local.kube.api import Api
from maas_lab.local.kube.server import Server


def main() -> None:
    """Serve until stopped; the kubeconfig is written when the port is open."""
    parser = argparse.ArgumentParser(prog="python -m maas_lab.local.kube", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the lab's home; state and kubeconfig go there")
    parser.add_argument("--schemas", type=Path, required=True, help="the runtime environment's file of schemas")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with Api.opened(given.home, given.schemas) as api:
        api.serve(Server(api.objects, api.tokens, api.accounts, audit=api.audit))


if __name__ == "__main__":
    main()
