"""Execute one notebook in a kernel of its own: papermill's copy and report, nbclient's kernel.

papermill writes the executed copy, with a red banner before the cell that failed. Its own client loses the
copy when a kernel dies or a cell never ends; this one turns both into an ordinary failed cell.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError, strip_color
from traitlets import default

# Builder and runner. Streams arrive in pieces of any size, so they are joined; widget state may hold a key.
OPTIONS = {"record_timing": False, "store_widget_state": False, "coalesce_streams": True, "iopub_timeout": 30}
DEAD, ENDLESS = "DeadKernel", "CellTimeout"

logging.getLogger("papermill").addHandler(logging.NullHandler())  # with none, warnings go to stderr


class KernelHere(AsyncKernelManager):
    """Start the kernel of the running interpreter, whatever kernels this machine has registered."""

    @default("kernel_spec_manager")
    def _this_interpreter(self) -> KernelSpecManager:
        return _SpecHere()


class _SpecHere(KernelSpecManager):
    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir="", **get_kernel_dict())


@dataclass(frozen=True)
class Stop:
    """What a cell raised; `cells` are the notebook's cells up to it, and it is the last of them."""

    cells: list[NotebookNode]
    ename: str
    evalue: str
    traceback: list[str]


def is_code(cell: NotebookNode) -> bool:
    """Tell whether a kernel executes this cell."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def declared(notebook: NotebookNode) -> dict[str, dict[str, str]]:
    """Return what the `parameters` cell declares: by name, inferred_type_name, default and help."""
    return papermill.inspect_notebook(notebook)


def execute(
    notebook: NotebookNode,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    source: Path,
    on_cell: Callable[[float], None],
    cell_timeout: int,
) -> Stop | None:
    """Execute a copy of `notebook` in the folder of `source`, write it to `output`, and return why it failed.

    Args:
        notebook: what to execute; stays as it is.
        output: the executed copy.
        parameters: values for its `parameters` cell.
        source: the file it came from.
        on_cell: called with the seconds each code cell took, when it has passed.
        cell_timeout: seconds after which a cell counts as endless.
    """
    stops: list[Stop] = []
    with contextlib.suppress(PapermillExecutionError):  # `stops` holds it, and more
        papermill.execute_notebook(
            notebook,
            str(output).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            parameters=dict(parameters),
            engine_name="maas-lab",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,  # one write at the end, not two for each cell
            source=source,
            stops=stops,
            on_cell=on_cell,
            cell_timeout=cell_timeout,
        )
    return stops[-1] if stops else None


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        source: Path,
        stops: list[Stop],
        on_cell: Callable[[float], None],
        cell_timeout: int,
        **_: Any,
    ) -> NotebookNode:
        nb_man.nb.metadata.papermill["input_path"] = source.name  # papermill put the whole notebook there
        nb_man.nb.metadata.pop("widgets", None)
        options = {**OPTIONS, "timeout": cell_timeout, "raise_on_iopub_timeout": False}
        client = _Client(nb_man, kernel_name=kernel_name, kernel_manager_class=KernelHere, **options)
        client.stops, client.on_cell = stops, on_cell
        return client.execute(cwd=str(source.parent))


papermill_engines.register("maas-lab", _Engine)


class _Client(PapermillNotebookClient):
    stops: list[Stop]
    on_cell: Callable[[float], None]

    def execute(self, **kernel: Any) -> NotebookNode:
        code = [index for index, cell in enumerate(self.nb.cells) if is_code(cell)]
        self.reset_execution_trackers()
        with Path(os.devnull).open("wb") as nowhere:
            if code and self._started(code[0], stderr=nowhere, **kernel):
                with self.setup_kernel():  # ends the kernel
                    self.papermill_execute_cells()
        return self.nb

    def _started(self, first: int, **kernel: Any) -> bool:
        self.km = self.create_kernel_manager()
        try:
            self.start_new_kernel(**kernel)
            self.start_new_kernel_client()
        except RuntimeError as error:
            self._fail(first, DEAD, f"the kernel does not start: {error}")
        return not self._note(first)

    def papermill_execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            begun = time.monotonic()
            passed = self._passed(index, cell)
            self.nb_man.cell_complete(cell, cell_index=index)
            if passed and is_code(cell):
                self.on_cell(time.monotonic() - begun)
            if cell.metadata.papermill["status"] == self.nb_man.FAILED:
                return

    def _passed(self, index: int, cell: NotebookNode) -> bool:
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self._fail(index, error.ename, error.evalue)
        except CellTimeoutError:
            self._fail(index, ENDLESS, f"the cell did not end within {self.timeout} s")
        except DeadKernelError:
            self._fail(index, DEAD, _end(self.km))
        return not self._note(index)

    def _note(self, index: int) -> bool:
        """Add the cell to `stops` if it raised, even where a tag allows that: papermill fails such a run."""
        cells = self.nb.cells[: index + 1]
        errors = [output for output in cells[-1].get("outputs", []) if output.output_type == "error"]
        for error in errors:
            traceback = [strip_color(text) for text in error.traceback]
            self.stops.append(Stop(cells, error.ename, error.evalue, traceback))
        return bool(errors)

    def _fail(self, index: int, ename: str, evalue: str) -> None:
        cell = self.nb.cells[index]
        if not any(output.output_type == "error" for output in cell.outputs):
            told = [f"{ename}: {evalue}"]
            cell.outputs.append(v4.new_output("error", ename=ename, evalue=evalue, traceback=told))
        self.nb_man.cell_exception(cell, cell_index=index)


def _end(manager: Any) -> str:
    """Say how the process of a dead kernel ended."""
    code = manager.provisioner.process.poll() if manager.provisioner.process else None
    if code is not None and code < 0:
        return f"the kernel was killed by {signal.Signals(-code).name}"
    return f"the kernel ended with exit code {code}"
