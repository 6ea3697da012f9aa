"""The image catalogue: an image reference stands for a program on this machine; what is not in it cannot be pulled."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Sleep = Callable[[float], None]


class Runs(NamedTuple):
    """What runs here under a name, as the cluster tells it to everybody who may look at its node.

    Attributes:
        what: runs, in words.
        real: `real`, `stand-in` for something that does the same in another way, or `simulation`.
        why: it is so, or what to know about it.
    """

    what: str
    real: str
    why: str


@dataclass(frozen=True)
class Container:
    """What a container in a pod gives the program of its image.

    Attributes:
        env: the manifest's variables: references filled in, names of Services replaced by loopback addresses.
        ports: each port that the image listens on, and the loopback port to use instead of it.
        volumes: each mount path, and the folder on this machine that is meant.
        folder: private and empty at the pod's start; it goes with the pod.
    """

    env: Mapping[str, str] = field(repr=False)
    ports: Mapping[int, int]
    volumes: Mapping[str, Path]
    folder: Path


@dataclass(frozen=True)
class Program:
    """A process to start.

    Attributes:
        argv: program and arguments; no secrets, everybody may read them.
        env: the whole environment.
        cwd: working folder.
        prepare: runs before each start, in the container's own thread; it may sleep only by what it is given. A
            `LabError` that it raises is written to the container's log, and counts as exit code 1.
        stop_signal: how the process is asked to end.
        commands: what an `exec` probe may name: the path of a program in the image, and a function that does what
            that program does. It takes the arguments and returns why the probe fails, or nothing.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    prepare: Callable[[Sleep], None] = lambda sleep: None
    stop_signal: signal.Signals = signal.SIGTERM
    commands: Mapping[str, Callable[[Sequence[str]], str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image of the catalogue.

    Attributes:
        reference: as a manifest names it.
        ports: what its program listens on, e.g. 8080.
        program: makes the process for one container.
        pull: downloads what is missing and takes minutes; None where everything is installed already. It reports a
            line of text now and then, and raises a `LabError` when it fails.
        runs: what runs under this name; None where nothing is told.
    """

    reference: str
    ports: tuple[int, ...]
    program: Callable[[Container], Program]
    pull: Callable[[Callable[[str], None]], None] | None = None
    runs: Runs | None = None


class Catalogue:
    """The images that can run here, by reference.

    Args:
        images: all of them.
        besides: what runs here that is no image, by its name.
    """

    def __init__(self, images: Iterable[Image], besides: Mapping[str, Runs] | None = None) -> None:
        self._images = {image.reference: image for image in images}
        self._besides = dict(besides or {})

    def find(self, reference: str) -> Image | None:
        """Return the image of a reference, or None."""
        return self._images.get(reference)

    @property
    def references(self) -> list[str]:
        """Every reference there is."""
        return sorted(self._images)

    @property
    def told(self) -> dict[str, Runs]:
        """What runs here under each name that something is told about."""
        return self._besides | {name: image.runs for name, image in self._images.items() if image.runs}
