"""Start JupyterLab on the lessons, unless a Jupyter server is there already."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from maas_lab import settings, shell


def address(folder: Path) -> str | None:
    """Return where the lessons are open already: in the server that hosts this terminal, or in one started on them."""
    if hosted := settings.jupyter_address():
        return hosted
    from jupyter_server.serverapp import (
        list_running_servers,
    )  # 0.2 s to import; `down` and `status` need not pay

    for server in list_running_servers():
        if Path(server["root_dir"]) == folder:
            return f"{server['url']}lab?token={server['token']}"
    return None


def start(folder: Path) -> int:
    """Run JupyterLab in the foreground on loopback until the user ends it, and return its exit code."""
    argv = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    return shell.foreground([*argv, *(["--allow-root"] if os.geteuid() == 0 else [])])
