"""Run a program: the only place outside the local cluster that does."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import NamedTuple

from maas_lab.errors import EnvironmentFault, TookTooLong

Piped = subprocess.Popen[str]  # a program that was started by `start`


class Finished(NamedTuple):
    """A program that ran: its exit code, and what it wrote."""

    code: int
    stdout: str
    stderr: str


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60, env: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end, without a shell in between.

    Args:
        argv: the program and its arguments; every user of this machine can read them, so no secrets.
        stdin: what the program reads; the place for secrets.
        timeout: seconds, after which the program is ended.
        env: its whole environment; this process's own when left out.

    Raises:
        EnvironmentFault: the program is not installed.
        TookTooLong: the time was up.
    """
    try:
        # Bytes, because text mode would turn the CRLF of HTTP headers into LF.
        done = subprocess.run(list(argv), input=stdin.encode(), capture_output=True, timeout=timeout, env=env)
    except FileNotFoundError as error:
        hint = f"install `{argv[0]}` with this machine's package manager"
        raise EnvironmentFault(f"`{argv[0]}` is not installed here", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise TookTooLong(f"`{argv[0]}` did not end within {timeout:g} s", hint="give it a longer `timeout`") from error
    return Finished(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def start(argv: Sequence[str], env: Mapping[str, str]) -> Piped:
    """Start a program whose input and output are pipes, and return it; it gets no Ctrl-C from the terminal.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(list(argv), env=env, cwd="/", text=True, start_new_session=True, **pipes)


def foreground(
    argv: Sequence[str], cwd: str | PathLike[str] | None = None, env: Mapping[str, str] | None = None
) -> int:
    """Run a program in this terminal until it ends, and return its exit code; Ctrl-C is the program's.

    A signal that would end this process, also that of a terminal that is closed, asks the program to end instead.

    Args:
        argv: the program and its arguments.
        cwd: its working folder.
        env: its whole environment; this process's own when left out.
    """
    process = subprocess.Popen(list(argv), cwd=cwd, env=env)
    asked = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, lambda *_: process.terminate()) for one in asked}
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal has sent it to the program too, which knows how to end
                continue
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
