"""Keep people where they are: an answer that leads on leads to another path here, and tells it relatively."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Two slashes, or a backslash that browsers read as one, would begin with another host's name.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_DOTS = re.compile(r"(?i)(?:^|/)(?:\.|%2e){1,2}(?:/|$)")


def relative(location: str, asked: str, *origins: str) -> str | None:
    """Return a Location that holds under whatever path a proxy in front puts before ours; None if it leads elsewhere.

    Args:
        location: as the program behind answers it.
        asked: the path of the request.
        origins: such as `http://127.0.0.1:8080`: what stands for this place in an absolute address.
    """
    for origin in origins:
        if location.lower().startswith(f"{origin.lower()}/"):
            location = location[len(origin) :]
    if not _PATH.fullmatch(location):
        return None
    return "../" * (asked.count("/") - 1) + (location[1:] if asked.count("/") > 1 else f".{location}")


def is_plain(path: str) -> bool:
    """Tell whether a path means the same to everybody who reads it on the way: no dots to follow, no second root."""
    return _PATH.fullmatch(path) is not None and _DOTS.search(path) is None


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address; empty if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
