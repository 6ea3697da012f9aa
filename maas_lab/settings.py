"""The only reader of environment variables and of the lab's configuration file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maas_lab import config_file

LOOPBACK = "127.0.0.1"
NAMESPACE = "maas-system"  # where manifests/ put the platform
FACTS = "maas-lab"  # the ConfigMap there that says where everything is
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
INSTALLER = "MAAS_LAB_INSTALLER"
COURSE = "course"  # the folder of the learner's own files in the lab's home
WHEELS = "wheels"  # the folder of the lab's home that keeps what a workbench forgets
RUNTIME_WHEELS = "runtime"  # the folder of a wheelhouse that has the wheels of the runtime environment
DEPLOYMENT = "deployment"  # the deployment repository of the lab's platform there
DEPLOYMENTS = "deployments"  # and those of platforms of one's own
INSIDE = (LOOPBACK, "localhost", ".svc", ".cluster.local")  # what no proxy leads to


@dataclass(frozen=True)
class ModelSettings:
    """How the local model server runs (section `[model]` of config.toml).

    Defaults fit a workbench of 2 CPU and 8 GiB; one thread less than there are cores, because two spinning
    threads on two busy cores fall to a twentieth of the speed.
    """

    threads: int = max(1, (os.cpu_count() or 1) - 1)
    slots: int = 4
    context: int = 2048  # tokens per slot, prompt and answer together


@dataclass(frozen=True)
class Prices:
    """Lab dollars per token (section `[prices]`).

    A thousand times a hosted price, so that one lesson costs between $0.10 and $10: LiteMaaS stores money with two
    decimals.
    """

    input: float = 0.001
    output: float = 0.002


@dataclass(frozen=True)
class Settings:
    """What the user chose: where the lab lives and how its model runs."""

    home: Path
    model: ModelSettings = field(default_factory=ModelSettings)
    prices: Prices = field(default_factory=Prices)
    runtime: Path | None = None

    @property
    def runtime_folder(self) -> Path:
        """Where the runtime environment is installed; several homes may share one."""
        return self.runtime or self.home / "runtime"

    @property
    def course(self) -> Path:
        """Where the learner's own files are: the numbers they measured, and the exercises they passed."""
        return self.home / COURSE


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings: environment first, then `config.toml` in the lab's home.

    `MAAS_LAB_HOME` is the lab's home (default `~/.maas-lab`), `MAAS_LAB_RUNTIME` a runtime environment to share.

    Raises:
        UsageError: the configuration file cannot be read, or it holds an unknown name or a value of the wrong kind.
    """
    env = os.environ if env is None else env
    home = Path(env.get("MAAS_LAB_HOME") or Path.home() / ".maas-lab").expanduser().absolute()
    runtime = Path(env["MAAS_LAB_RUNTIME"]).expanduser().absolute() if env.get("MAAS_LAB_RUNTIME") else None
    file = home / "config.toml"
    table = config_file.read(file)
    sections = {"model": ModelSettings, "prices": Prices}
    config_file.refuse_unknown(file, "", table, list(sections))
    known = [(name, kind) for name, kind in sections.items() if name in table]
    chosen = {name: config_file.section(file, name, kind, table[name]) for name, kind in known}
    return Settings(home=home, runtime=runtime, **chosen)


def kubeconfig(env: Mapping[str, str] | None = None) -> Path | None:
    """Return the kubeconfig that the user chose: `MAAS_LAB_KUBECONFIG`, else `KUBECONFIG`; None when neither is set.

    As for kubectl, several files may be joined by colons.
    """
    env = os.environ if env is None else env
    name = kubeconfig_variable(env)
    return Path(env[name]).expanduser() if name else None


def kubeconfig_variable(env: Mapping[str, str] | None = None) -> str | None:
    """Return the name of the variable by which the user chose a kubeconfig; None when neither is set."""
    env = os.environ if env is None else env
    return next((name for name in ("MAAS_LAB_KUBECONFIG", "KUBECONFIG") if env.get(name)), None)


def workbench_kubeconfig(env: Mapping[str, str] | None = None) -> Path | None:
    """Return the file that `oc login` writes in a workbench's terminal; None elsewhere, and where it is not there.

    Elsewhere `~/.kube/config` is for somebody's other work, and leads who knows where.
    """
    env = os.environ if env is None else env
    file = Path(env.get("HOME") or Path.home()) / ".kube" / "config"
    return file if env.get("NB_PREFIX") and file.is_file() else None


def project(env: Mapping[str, str] | None = None) -> str | None:
    """Return the project (namespace) of the workbench that this runs in; None elsewhere.

    Source: a workbench's `NB_PREFIX` is `/notebook/PROJECT/NAME`.
    """
    env = os.environ if env is None else env
    parts = env.get("NB_PREFIX", "").strip("/").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "notebook" else None


def namespace(env: Mapping[str, str] | None = None) -> str:
    """Return the namespace of the platform: `MAAS_LAB_NAMESPACE`, else `maas-system`."""
    return namespaces(env)[-1]


def namespaces(env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return where the platform may live: `MAAS_LAB_NAMESPACE`, else the workbench's project, then `maas-system`."""
    env = os.environ if env is None else env
    if chosen := env.get("MAAS_LAB_NAMESPACE"):
        return (chosen,)
    return tuple(filter(None, (project(env), NAMESPACE)))


def token_variable(persona: str) -> str:
    """Return the name of the variable that holds a persona's token of the portal, e.g. `MAAS_LAB_TOKEN_CONSUMER`."""
    return f"MAAS_LAB_TOKEN_{persona.upper()}"


def portal_token(persona: str, env: Mapping[str, str] | None = None) -> str | None:
    """Return the token of the portal that the user gave for a persona; None without one."""
    env = os.environ if env is None else env
    return env.get(token_variable(persona)) or None


def wheelhouse(env: Mapping[str, str] | None = None) -> Path | None:
    """Return the wheelhouse that everything is to be installed from, `MAAS_LAB_WHEELHOUSE`; None without one."""
    env = os.environ if env is None else env
    chosen = env.get("MAAS_LAB_WHEELHOUSE")
    return Path(chosen).expanduser().absolute() if chosen else None


def use_wheelhouse(folder: Path) -> None:
    """Let this process, and what it starts, install from a wheelhouse only."""
    os.environ["MAAS_LAB_WHEELHOUSE"] = str(folder.expanduser().absolute())


def offline(wheels: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which pip takes everything from a folder and neither pip nor npm asks anybody else."""
    kept = {name: value for name, value in env.items() if name not in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
    where = wheels.as_uri()  # pip would part a path at its spaces
    only = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": where, "PIP_CONFIG_FILE": os.devnull, "npm_config_offline": "true"}
    return kept | only


def page_prefix(env: Mapping[str, str] | None = None) -> str | None:
    """Return under which path a browser reaches this machine's loopback ports in a workbench; None elsewhere."""
    env = os.environ if env is None else env
    return f"{env['NB_PREFIX'].rstrip('/')}/proxy" if env.get("NB_PREFIX") else None


def in_cluster(env: Mapping[str, str] | None = None) -> bool:
    """Return whether this process runs in a pod, e.g. a workbench, and so may have a service account's token."""
    env = os.environ if env is None else env
    return bool(env.get("KUBERNETES_SERVICE_HOST"))


def jupyter_address(env: Mapping[str, str] | None = None) -> str | None:
    """Return the address of the Jupyter server that hosts this terminal or kernel; None outside Jupyter."""
    env = os.environ if env is None else env
    if env.get("NB_PREFIX"):
        return env["NB_PREFIX"] + "/lab"
    return env.get("JUPYTER_SERVER_URL") or None


def is_watched(env: Mapping[str, str] | None = None) -> bool:
    """Return whether somebody has opened the notebook that this kernel runs, in JupyterLab or the like."""
    env = os.environ if env is None else env
    return bool(env.get("JPY_SESSION_NAME"))


def jupyter_environment(defaults: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for JupyterLab: the user's own, with a folder of defaults that the user can override."""
    env = os.environ if env is None else env
    folders = [folder for folder in env.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep) if folder]
    return dict(env) | {"JUPYTER_CONFIG_PATH": os.pathsep.join([*folders, str(defaults)])}


def child_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for processes of the local cluster: only what they need, loopback never proxied.

    Nothing of the learner's Python, Jupyter or cloud configuration reaches them.
    """
    env = os.environ if env is None else env
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
    kept = {name: env[name] for name in keep if name in env}
    return kept | {"NO_PROXY": f"{LOOPBACK},localhost", "no_proxy": f"{LOOPBACK},localhost"}


def own_environment() -> dict[str, str]:
    """Return this process's environment, for a program that is configured as its container's manifest says."""
    return dict(os.environ)


def install_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for pip and npm: the user's own, because it names proxies, certificates and indexes."""
    env = os.environ if env is None else env
    kept = {name: value for name, value in env.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    chosen = wheelhouse(env)
    return offline(chosen / RUNTIME_WHEELS, kept) if chosen else kept


def daemon_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for the daemon, which may install an image later: how pip reaches its indexes, and whose.

    The pods' processes get none of it.
    """
    env = os.environ if env is None else env
    child = child_environment(env)
    pip = install_environment(env).items()
    kept = {name: value for name, value in pip if name.startswith("PIP_") or name.upper() in PROXIES}
    never = {name: ",".join(filter(None, (env.get(name), child[name]))) for name in ("NO_PROXY", "no_proxy")}
    return kept | child | never | {INSTALLER: sys.executable}


def pip_python(env: Mapping[str, str] | None = None) -> str:
    """Return the Python that has pip: this one, or in the daemon that of whoever started it."""
    env = os.environ if env is None else env
    return env.get(INSTALLER) or sys.executable


def proxies(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the proxy and certificate variables that are set, for `doctor`."""
    env = os.environ if env is None else env
    return {
        name: env.get(name) or env.get(name.lower()) or "" for name in PROXIES if env.get(name) or env.get(name.lower())
    }


def never_proxy_inside() -> None:
    """Tell every HTTP client of this process that loopback, and what is inside of the cluster, needs no proxy."""
    inside = [*INSIDE, *filter(None, [os.environ.get("KUBERNETES_SERVICE_HOST")])]
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *inside]))
