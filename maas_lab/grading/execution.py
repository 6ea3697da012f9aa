"""Execute a learner's notebook to its end: a cell that fails or never ends does not stop those after it.

papermill writes the executed copy, as for `./lab run`; only how its cells are executed differs. What a kernel sends is
counted as it comes, because a cell can print faster than anybody can keep.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError, strip_color

from maas_lab.engine import DEAD, ENDLESS, OPTIONS, KernelHere, is_code
from maas_lab.wait import Ticker

FLOOD, SPENT, NOT_RUN = "TooMuchOutput", "TooManyTokens", "NotRun"
KEPT = 200_000  # bytes of a cell's outputs that are kept
MOST = (
    20_000_000  # bytes after which its kernel is killed: an interrupt comes sooner or later, and verdicts would differ
)
MESSAGE = 200  # bytes that a message takes at least
LOOK_S = 2.0  # between two looks at what was spent while a cell runs
SIGNS_OF_LIFE_S = 10  # for a kernel to answer after it was interrupted
PASSES_ALWAYS = {"status", "execute_input"}  # they say when a cell begins and ends
STOPPED = "the kernel did not go on after a cell that was interrupted"


@dataclass(frozen=True)
class Bounds:
    """What one notebook may use.

    Attributes:
        cell_s: seconds of one cell.
        notebook_s: seconds of all cells together.
        memory: bytes of the kernel's own data.
    """

    cell_s: float = 180
    notebook_s: float = 600
    memory: int = 2_000_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: the name of its error, empty where it ran to its end, and what it said."""

    error: str = ""
    said: str = ""


def execute(
    notebook: NotebookNode, copy: Path, bounds: Bounds, spent: Callable[[], str] = lambda: ""
) -> dict[str, Outcome]:
    """Execute a notebook in a kernel of this interpreter, in a new folder that is deleted afterwards.

    Args:
        notebook: what to execute; stays as it is.
        copy: the executed copy, to be written.
        bounds: what it may use.
        spent: asked before each cell, and by another thread while it runs; says why no more is to be executed, e.g.
            that too many tokens were used. The kernel is killed then.

    Returns:
        The outcome of each code cell, by the cell's id.
    """
    outcomes: dict[str, Outcome] = {}
    with (
        tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True) as folder,
        contextlib.suppress(PapermillExecutionError),  # `outcomes` holds it, and more
    ):
        papermill.execute_notebook(
            notebook,
            str(copy).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            engine_name="maas-lab-grade",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            folder=folder,
            outcomes=outcomes,
            bounds=bounds,
            spent=spent,
        )
    return outcomes


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        folder: str,
        outcomes: dict[str, Outcome],
        bounds: Bounds,
        spent: Callable[[], str],
        **_: Any,
    ) -> NotebookNode:
        nb_man.nb.metadata.papermill.pop("input_path", None)  # papermill put the whole notebook there
        endless = {"ename": ENDLESS, "evalue": f"the cell did not end within {bounds.cell_s:g} s", "traceback": []}
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=KernelHere,
            timeout=SIGNS_OF_LIFE_S,
            interrupt_on_timeout=True,
            error_on_timeout=endless,
            raise_on_iopub_timeout=False,
            **OPTIONS,
        )
        client.outcomes, client.bounds, client.spent = outcomes, bounds, spent
        return client.execute(cwd=folder)


papermill_engines.register("maas-lab-grade", _Engine)


class _Client(PapermillNotebookClient):
    outcomes: dict[str, Outcome]
    bounds: Bounds
    spent: Callable[[], str]
    over = ""  # why the kernel was killed while a cell ran

    def execute(self, **kernel: Any) -> NotebookNode:
        self.reset_execution_trackers()
        self.deadline = time.monotonic() + self.bounds.notebook_s
        self.timeout_func = lambda cell: max(1, min(self.bounds.cell_s, self.deadline - time.monotonic()))
        with Path(os.devnull).open("wb") as nowhere:
            if why := self._not_started(stderr=nowhere, preexec_fn=self._limit, **kernel):
                self._rest(0, why)
                return self.nb
            with self.setup_kernel():  # ends the kernel
                looks = Ticker(self._look, "spent")
                try:
                    self.papermill_execute_cells()
                finally:
                    looks.stop()
        return self.nb

    def _look(self, looks: Ticker) -> float:
        """Kill the kernel when too much was spent: a cell that is interrupted could go on."""
        if (why := self.spent()) and not looks.stopped:
            self.over = why
            self._kill()
            looks.stop()
        return LOOK_S

    def _not_started(self, **kernel: Any) -> str:
        self.km = self.create_kernel_manager()
        try:
            self.start_new_kernel(**kernel)
            self.start_new_kernel_client()
        except RuntimeError as error:
            return f"the kernel does not start: {error}"
        return ""

    def _limit(self) -> None:
        """Hold the kernel to its memory; called in the new process, before it is the kernel."""
        resource.setrlimit(resource.RLIMIT_DATA, (self.bounds.memory, self.bounds.memory))

    def papermill_execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            if not is_code(cell):
                continue
            if why := self._stopped():
                self._rest(index, why)
                return
            self.nb_man.cell_start(cell, index)
            self.outcomes[cell.id] = outcome = self._outcome(index, cell)
            self.nb_man.cell_complete(cell, cell_index=index)
            if outcome.error in (DEAD, FLOOD, SPENT):
                self._rest(index + 1, outcome.said)
                return
            if outcome.error == ENDLESS and not self._is_alive():
                self._rest(index + 1, STOPPED)
                return

    def _stopped(self) -> str:
        if time.monotonic() >= self.deadline:
            return f"the notebook did not end within {self.bounds.notebook_s:g} s"
        return self.spent()

    def _outcome(self, index: int, cell: NotebookNode) -> Outcome:
        self.sent = 0
        failed = Outcome()
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            failed = Outcome(error.ename, f"{error.ename}: {error.evalue}")
        except CellTimeoutError as error:
            failed = Outcome(ENDLESS, str(error))
        except DeadKernelError:
            failed = Outcome(DEAD, f"{DEAD}: {_end(self.km)}")
        if self.sent > MOST:
            failed = Outcome(FLOOD, f"{FLOOD}: the cell sent more than {MOST // 1_000_000} MB")
        if self.over:
            failed = Outcome(SPENT, f"{SPENT}: {self.over}")
        shown = [one for one in cell.outputs if one.output_type == "error"]
        if shown and not failed.error:  # a tag of the cell allowed it, or a thread raised it
            failed = Outcome(shown[0].ename, f"{shown[0].ename}: {shown[0].evalue}")
        if failed.error and shown and failed.error == shown[0].ename:
            text = "\n".join(strip_color(line) for line in shown[0].traceback)
            # An error of the lab shows itself in some lines; of forty lines of traceback one counts.
            failed = Outcome(failed.error, text if text.startswith(f"{failed.error}:") else failed.said)
        if failed.error:
            self._show(index, cell, failed)
        return failed

    def _show(self, index: int, cell: NotebookNode, failed: Outcome) -> None:
        if not any(one.output_type == "error" for one in cell.outputs):
            told = {"ename": failed.error, "evalue": failed.said, "traceback": [failed.said]}
            cell.outputs.append(v4.new_output("error", **told))
        self.nb_man.cell_exception(cell, cell_index=index)

    def _rest(self, begin: int, why: str) -> None:
        for index, cell in enumerate(self.nb.cells[begin:], begin):
            if is_code(cell):
                cell.outputs = []
                self.outcomes[cell.id] = failed = Outcome(NOT_RUN, why)
                self._show(index, cell, failed)

    def _is_alive(self) -> bool:
        try:
            answer = self.wait_for_reply(self.kc.kernel_info())
        except DeadKernelError:
            return False
        if answer is None:
            self._kill()
        return answer is not None

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """Take a message of the kernel, as long as the cell has not sent too much."""
        if msg["msg_type"] not in PASSES_ALWAYS:
            self.sent += MESSAGE + _size(msg["content"])
            if self.sent > MOST:
                self._kill()
            if self.sent > KEPT and msg["msg_type"] != "error":
                return None
            if msg["msg_type"] == "error":
                _cut(msg["content"])
        return super().process_message(msg, cell, cell_index)

    def _kill(self) -> None:
        process = self.km.provisioner.process
        if process and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _size(value: Any) -> int:
    """Return about how many bytes a message's content takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(_size(one) for one in value.values())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8


def _cut(content: dict[str, Any]) -> None:
    """Shorten an error: whoever raises it chooses its words."""
    content["ename"], content["evalue"] = str(content["ename"])[:100], str(content["evalue"])[:2000]
    content["traceback"] = [str(line)[:2000] for line in content["traceback"][:100]]


def _end(manager: Any) -> str:
    """Say how the process of a dead kernel ended."""
    code = manager.provisioner.process.poll() if manager.provisioner.process else None
    if code is not None and code < 0:
        return f"the kernel was killed by {signal.Signals(-code).name}"
    return f"the kernel ended with exit code {code}"
