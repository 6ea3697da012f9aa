"""Start JupyterLab on the lessons, unless a Jupyter server is there already."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from maas_lab import settings, shell

DEFAULTS = Path(__file__).with_name("jupyter_config")  # no news and no look for updates: the lab needs no network


def address(folder: Path) -> str | None:
    """Return where the lessons are open already: in the server that hosts this terminal, or in one started on them."""
    if hosted := settings.jupyter_address():
        return f"{hosted} and there the folder {folder.name}"
    from jupyter_server.serverapp import list_running_servers  # 0.2 s, which `down` and `status` need not pay

    for server in list_running_servers():
        if Path(server["root_dir"]) == folder:
            return f"{server['url']}lab?token={server['token']}"
    return None


def start(folder: Path) -> int:
    """Run JupyterLab in the foreground on loopback until the user ends it, and return its exit code."""
    argv = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    argv += ["--allow-root"] if os.geteuid() == 0 else []
    return shell.foreground(argv, env=settings.jupyter_environment(DEFAULTS))
