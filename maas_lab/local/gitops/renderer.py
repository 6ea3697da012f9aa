"""Render requests in processes of their own, which end when they take too much."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from pathlib import Path

import psutil

from maas_lab import settings
from maas_lab.local import processes
from maas_lab.local.gitops import limits
from maas_lab.local.gitops.sources import Answer
from maas_lab.local.gitops.spec import Request
from maas_lab.local.runtime import Runtime

AT_ONCE = 2
PROGRAM = "maas_lab.local.gitops.rendering"
PACKAGES = Path(__file__).parents[3]


class Renderer:
    """Starts a process for each request.

    Args:
        runtime: has Python and the library that reads repositories.
        home: the lab's home, in which requests and answers are kept for a moment.
    """

    def __init__(self, runtime: Runtime, home: Path) -> None:
        self._runtime, self._folder = runtime, home / "run" / "gitops"
        shutil.rmtree(self._folder, ignore_errors=True)  # what a daemon that was killed has left
        self._turn = threading.Semaphore(AT_ONCE)
        self._env = settings.child_environment() | {"PYTHONPATH": f"{PACKAGES}:{runtime.git}"}

    def render(self, request: Request) -> Answer:
        """Return the answer to a request; called from any thread."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._turn, tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            (folder / "request.json").write_text(json.dumps(request._asdict()), encoding="utf-8")
            argv = (str(self._runtime.python), "-m", PROGRAM, name)
            process = processes.spawn(argv, self._env, folder, folder / "log")
            try:
                process.wait(timeout=limits.WALL_S + 10)
            except psutil.TimeoutExpired:
                processes.kill(process)
            return _read(folder, processes.how_it_ended(process))

    @staticmethod
    def start(function: object) -> None:
        """Call a function in a thread, which ends with this process."""
        threading.Thread(target=function, name="render", daemon=True).start()


def _read(folder: Path, ended: str) -> Answer:
    file = folder / "answer.json"
    if not ended.endswith("exit code 0") or not file.exists():
        most = f"{limits.CPU_S} s of computing, {limits.WALL_S} s in all, {limits.MEMORY >> 20} MiB"
        return Answer(error=f"the process that renders was {ended}: it may take {most}")
    return Answer.of(json.loads(file.read_text(encoding="utf-8")))
