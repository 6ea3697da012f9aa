"""Install the notebook's packages into the Python that runs this: the first thing that `./lab` does.

Nothing but the standard library and pip is there yet. The packages come from the wheelhouse that was chosen; in a
workbench, which forgets at each restart what was installed, from the wheels that an earlier run kept in the lab's home;
else from the package index.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maas_lab import bundle, settings, shell
from maas_lab.bundle import Bundle
from maas_lab.errors import InstallError, LabError
from maas_lab.private import told_plainly

PATIENCE_S = 3600.0  # for slow networks
OUR_PIP = "pip>=24.1"  # resolves in seconds what older ones take minutes for
WITHOUT_NETWORK = (
    "without a network: ./lab wheelhouse DIR on a machine that has one, then here ./lab up --wheelhouse DIR"
)
PUBLIC = {"PIP_CONFIG_FILE": os.devnull}  # pip's own index, whatever the image is set to
INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", *PUBLIC)


@dataclass(frozen=True)
class Environment:
    """A Python environment that the lab is to be installed into.

    Attributes:
        project: the repository, with the extras that are wanted, as pip reads it.
        env: variables for pip.
        pip: the command; that of the Python that runs this.
        ours: whether `./lab` has made it.
        keep: whether each package that is there has to stay as it is, as in a workbench.
        places: the folders of its packages.
    """

    project: str
    env: Mapping[str, str]
    pip: Sequence[str] = (sys.executable, "-m", "pip")
    ours: bool = False
    keep: bool = False
    places: Sequence[str] = tuple(sys.path)

    def install_from(self, wheels: Path) -> None:
        """Install from a folder of wheels and nothing else.

        Raises:
            InstallError: the folder lacks something.
        """
        offline = settings.offline(wheels.absolute(), self.env)
        if self.ours:
            self._run("install", OUR_PIP, env=offline)
        self._install(env=offline)

    def install_from_index(self) -> None:
        """Install from the package index that pip is set to."""
        if self.ours:
            self._run("install", OUR_PIP)
        self._install()

    def restore(self, kept: Path) -> None:
        """Install what a workbench lacks, and change none of its packages; the wheels are kept for its next restart.

        The index that the image is set to is asked first, and pip's own for what that one lacks.

        Args:
            kept: the folder for the wheels; it is replaced when they do not do any more.

        Raises:
            InstallError: neither index has what is missing, or it does not go with a package of the workbench.
        """
        if any(kept.glob("*.whl")):
            try:
                return self.install_from(kept)
            except InstallError:
                print("The kept packages do not fit any more: looking for others", file=sys.stderr)
        fresh = kept.with_name(f"{kept.name}.new")
        with told_plainly(kept.parent):
            shutil.rmtree(fresh, ignore_errors=True)
            for folder in (kept.parent, fresh):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fetch(self._choose(fresh / "report.json"), fresh)
            shutil.rmtree(kept, ignore_errors=True)
            fresh.replace(kept)
        return self.install_from(kept)

    def _choose(self, told: Path) -> list[str]:
        """Return what has to be added, e.g. `nbval==0.11.0`, and what builds the lab's own package."""
        argv = ("--dry-run", "--report", str(told))
        try:
            self._install(*argv)
        except InstallError as error:
            print(f"{error.why}; asking pip's own index for it", file=sys.stderr)
            self._install(*argv, env=self._public)
        found = json.loads(told.read_text(encoding="utf-8"))["install"]
        added = [one["metadata"] for one in found if "dir_info" not in one["download_info"]]
        return [*(f"{one['name']}=={one['version']}" for one in added), *bundle.build_requires(self._folder)]

    def _fetch(self, wanted: list[str], into: Path) -> None:
        argv = ("download", "--no-deps", "--only-binary", ":all:", "--dest", str(into))
        try:
            self._run(*argv, *wanted)
        except InstallError:  # one by one, to learn which ones this index lacks
            lacking = [one for one in wanted if self._lacks(*argv, one)]
            print(f"From pip's own index: {', '.join(lacking)}", file=sys.stderr)
            self._run(*argv, *lacking, env=self._public)

    def _lacks(self, *argv: str) -> bool:
        try:
            self._run(*argv)
        except InstallError:
            return True
        return False

    @property
    def _folder(self) -> Path:
        return Path(self.project.removesuffix("[test]"))

    @property
    def _public(self) -> dict[str, str]:
        return {name: value for name, value in self.env.items() if name not in INDEXES} | PUBLIC

    def _install(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        later = ("--no-compile",) if self.ours else ()  # on all cores, when all is there
        with tempfile.TemporaryDirectory() as folder:
            there = Path(folder) / "there.txt"
            fixed = (f"{name}=={version}\n" for name, version in self._installed.items() if self.keep)
            there.write_text("".join(fixed), encoding="utf-8")
            argv = ("install", *later, *options, "--constraint", str(there), "--editable", self.project)
            self._run(*argv, env=env)

    def _run(self, *argv: str, env: Mapping[str, str] | None = None) -> str:
        options = ("--disable-pip-version-check", "--no-input", "-q")
        done = shell.run([*self.pip, argv[0], *options, *argv[1:]], timeout=PATIENCE_S, env=env or self.env)
        if done.code:
            errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            last = (errors or done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            missing = [one for one in bundle.asked(self._folder) if _plain(one) not in self._installed]
            why = f"pip: {last}" + (f"; not installed: {', '.join(missing)}" if missing else "")
            raise InstallError("the lab's packages could not be installed", why, WITHOUT_NETWORK)
        return done.stdout

    @property
    def _installed(self) -> dict[str, str]:
        found = importlib.metadata.distributions(path=list(self.places))
        return {_plain(one.name): one.version for one in found if one.name}


def _plain(requirement: str) -> str:
    """Return the name at the start of a requirement, as all spellings of it have it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]*", requirement)[0]).lower()


def install(environment: Environment) -> None:
    """Install the lab's packages from where the settings say.

    Raises:
        InstallError: something is not to be had, or the wheelhouse cannot be used.
    """
    if chosen := settings.wheelhouse():
        wheels = Bundle(chosen)
        wheels.verify()
        environment.install_from(wheels.notebook)
    elif environment.keep:
        environment.restore(settings.load().home / settings.WHEELS)
    else:
        environment.install_from_index()


def main(arguments: Iterable[str]) -> int:
    """Do what `./lab` asks: the project, and `ours` where the environment is the one that it made."""
    project, *more = arguments
    ours = "ours" in more
    keep = settings.page_prefix() is not None and not ours
    try:
        install(Environment(project, settings.install_environment(), ours=ours, keep=keep))
    except LabError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
