"""A link to a page that works where the notebook is open: on this machine, or behind a workbench's proxy."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from maas_lab import settings
from maas_lab.rest import is_loopback


class Link:
    """An address to click on.

    Args:
        url: of the page, as this machine reaches it.
        text: what to click on.
    """

    def __init__(self, url: str, text: str) -> None:
        self.url, self.text = reachable(url), text

    def __repr__(self) -> str:
        return f"{self.text}: {self.url}"

    def _repr_html_(self) -> str:
        return f'<a href="{escape(self.url)}" target="_blank" rel="noopener">{escape(self.text)}</a>'


def reachable(url: str) -> str:
    """Return the address under which the learner's browser reaches a page.

    In a workbench the browser runs elsewhere: a loopback port is reached through the workbench's own address
    (jupyter-server-proxy), below its path.
    """
    prefix, port = settings.page_prefix(), urlsplit(url).port
    return f"{prefix}/{port}/" if prefix and port and is_loopback(url) else f"{url.rstrip('/')}/"
