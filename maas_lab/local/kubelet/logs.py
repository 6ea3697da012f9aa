"""Answer for the lines of a container: all, the last ones, those of the instance before, and those to come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from maas_lab.local.kube import queries
from maas_lab.local.kube.status import ApiError, Cause, bad_request, invalid_named

CHUNK = 65_536
FOLLOW_S = 0.1  # how soon a new line is shown; files of processes tell nobody that they have grown
TAIL_LINES, TAIL_BYTES = 80, 2048  # of a terminationMessagePolicy FallbackToLogsOnError
NO_TIMES = "the local cluster does not note the times of lines: {} cannot be answered; use tailLines (kubectl: --tail)"


@dataclass(frozen=True)
class Wanted:
    """What a client asks for.

    Attributes:
        follow: send new lines as long as the container runs.
        previous: of the instance before.
        tail_lines: only so many last lines; None for all.
        limit_bytes: only so many bytes; None for all.
    """

    follow: bool = False
    previous: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None


def wanted(query: Mapping[str, str]) -> Wanted:
    """Read a client's query.

    Raises:
        ApiError: 400 or 422, it cannot be answered.
    """
    for name in ("sinceSeconds", "sinceTime", "timestamps"):
        if query.get(name) and query[name].lower() not in ("false", "0"):
            raise bad_request(NO_TIMES.format(name))
    lines, size = _number(query, "tailLines", 0), _number(query, "limitBytes", 1)
    return Wanted(queries.boolean(query, "follow"), queries.boolean(query, "previous"), lines, size)


def _number(query: Mapping[str, str], name: str, least: int) -> int | None:
    value = queries.integer(dict(query), name)
    if value is not None and value < least:
        told = f"Invalid value: {value}: must be greater than or equal to {least}"
        raise invalid_named("", "PodLogOptions", "", [Cause(name, "FieldValueInvalid", told)])
    return value


def not_started(pod: str, container: str, waiting: Mapping[str, str]) -> ApiError:
    """Say why a container has no lines yet."""
    why = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(waiting["reason"], waiting["reason"])
    return bad_request(f'container "{container}" in pod "{pod}" is waiting to start: {why}')


def tail(file: Path) -> str:
    """Return the last lines of a log, as a kubelet keeps them in a container's status."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        _seek_last(stream, TAIL_LINES)
        return stream.read()[-TAIL_BYTES:].decode("utf-8", errors="replace")


async def stream(file: Path, how: Wanted, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the wanted bytes of a log.

    Args:
        file: the log; where it is missing, nothing was written.
        how: which part of it.
        is_over: tells whether nothing more will be written.
    """
    left = how.limit_bytes
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return
    with opened as source:
        if how.tail_lines is not None:
            _seek_last(source, how.tail_lines)
        while True:
            over = not how.follow or is_over()  # asked before the last read, so that nothing is missed
            while chunk := source.read(CHUNK if left is None else min(CHUNK, left)):
                left = None if left is None else left - len(chunk)
                yield chunk
            if over or left == 0:
                return
            await asyncio.sleep(FOLLOW_S)


def _seek_last(source: BinaryIO, lines: int) -> None:
    """Move to where the last lines begin."""
    ends: deque[int] = deque(maxlen=lines + 1)
    position = 0
    for line in source:
        ends.append(position)
        position += len(line)
    source.seek(position if not lines else ends[-lines] if len(ends) >= lines else 0)
