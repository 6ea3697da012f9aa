"""The rules of the house, read off the source: layers, sizes, and who alone may do what."""

import ast
import importlib
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "maas_lab"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}

# Who alone may: everybody else asks one of them.
ALONE = {
    "reads the environment": (
        re.compile(r"os\.(environ|getenv)"),
        {"settings.py", "local/model_server.py"},  # the latter takes its key off its own environment
    ),
    "sleeps": (re.compile(r"time\.sleep"), {"wait.py"}),
    "starts processes": (
        re.compile(r"subprocess\.(run|Popen|call|check)|os\.(system|spawn|exec|fork)|psutil\.Popen\("),
        {"shell.py", "grading/room.py", "local/processes.py", "local/packages.py", "local/postgres.py"},
    ),
}
PURE = {
    *(
        f"plots/{name}.py"
        for name in (
            "figure",
            "calls",
            "usage",
            "hours",
            "shares",
            "cost",
            "runs",
            "engine",
            "caps",
            "capacity",
            "memory",
            "problem",
        )
    ),
    *("amounts.py", "metrics.py", "rows.py", "windows.py", "refusals.py", "errors.py", "keys.py"),
    *("manifests.py", "kustomization.py", "transformers.py", "patches.py", "yamlfile.py", "jsonpatch.py"),
    *("renaming.py", "marking.py", "kustomize_options.py"),
    *("portal_rows.py", "portal_usage.py", "portal_refusals.py", "cap_shares.py"),
    *(
        "report.py",
        "page.py",
        "outfile.py",
        *(name for name in MODULES if name.startswith(("chargeback/", "capacity/"))),
    ),
    *("challenge/tickets.py", "challenge/postmortem.py"),
    *("outline.py", "results/junit.py", "results/documents.py", "results/summary.py"),
    *("statuses.py", "kinds.py", "objects.py", "readiness.py", "tables.py"),
}
NETWORK = {
    "httpx",
    "openai",
    "kubernetes",
    "socket",
    "subprocess",
    "maas_lab.gateway",
    "maas_lab.rest",
    "maas_lab.local",
}
LOCAL_ONLY_FROM = {"lab.py", "connecting.py", "cli.py", "doctor.py", "console.py"}  # `connect` and the command


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("what", ALONE)
def test_only_one_place_does_it(what):
    pattern, places = ALONE[what]

    def does(node):
        return isinstance(node, ast.Attribute | ast.Call) and pattern.match(ast.unparse(node))

    found = {name for name, tree in MODULES.items() if any(map(does, ast.walk(tree)))}
    assert found - {"wait.py"} <= places
    assert found  # the pattern still finds what it is about


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_is_pure_touches_no_network(name):
    assert not set(imported(MODULES[name])) & NETWORK


def test_nobody_but_connect_and_the_command_knows_the_local_cluster():
    knows = {
        name
        for name, tree in MODULES.items()
        if any(one.split(".")[:2] == ["maas_lab", "local"] for one in imported(tree)) and not name.startswith("local/")
    }
    assert knows == LOCAL_ONLY_FROM


def test_modules_and_functions_are_short():
    sizes = {path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    lengths = {
        f"{name}: {one.name}": one.end_lineno - one.lineno + 1
        for name, tree in MODULES.items()
        for one in functions(tree)
    }
    assert {name: size for name, size in sizes.items() if size > 300} == {}
    assert {name: length for name, length in lengths.items() if length > 40} == {}
    assert statistics.median(sizes.values()) <= 150
    assert statistics.median(lengths.values()) < 10


def test_no_failure_is_swallowed():
    """An `except` that only passes hides what happened; `contextlib.suppress` names what it expects."""
    hidden = [
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(n, ast.Pass) for n in node.body))
    ]
    assert hidden == []


def test_every_error_says_what_to_do():
    kinds = {node.name for node in ast.walk(MODULES["errors.py"]) if isinstance(node, ast.ClassDef)}

    def silent(node):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return name in kinds and len(node.args) < 3 and not any(one.arg == "hint" for one in node.keywords)

    calls = [(name, node) for name, tree in MODULES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [f"{name}:{node.lineno}" for name, node in calls if silent(node)] == []


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["codespell_lib"]], ids=" ".join)
def test_the_linters_are_content(tool):
    done = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.xdist_group("stack")
def test_what_belongs_together_stays_in_one_process(request):
    """pytest-xdist marks the names of grouped tests; without it, each process would start every lab."""
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@stack")


# What hints, docstrings and lessons call by these names.
CALLED = {
    "lab": "lab:Lab",
    **dict.fromkeys(("gateway", "lab.gateway"), "gateway:Gateway"),
    **dict.fromkeys(("cluster", "lab.cluster"), "cluster:Cluster"),
    "lab.usage": "usage_gateway:GatewayUsage",
    "lab.gitops": "gitops:GitOps",
    "portal": "portal:Portal",
    "portal.admin": "portal_admin:Admin",
    "portal.statistics": "portal_statistics:Statistics",
    **{name: name for name in ("usage", "chargeback", "capacity", "plots", "caps", "report", "widgets")},
}
CALL = re.compile(r"(?<![\w.])((?:(?:lab|portal)\.)?\w+)\.(\w+)[(.]")


def test_what_hints_and_docstrings_tell_to_call_is_there():
    def home(owner):
        module, _, name = CALLED[owner].partition(":")
        found = importlib.import_module(f"maas_lab.{module}")
        return getattr(found, name) if name else found

    texts = [
        (f"{module}:{node.lineno}", node.value)
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not module.startswith("local/")
    ]
    told = [(place, *call) for place, text in texts for call in CALL.findall(text) if call[0] in CALLED]
    assert len(told) > 100
    assert [one for one in told if f"{one[1]}.{one[2]}" not in CALLED and not hasattr(home(one[1]), one[2])] == []
