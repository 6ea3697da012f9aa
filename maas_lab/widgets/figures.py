"""Files inside of HTML: links that save them."""

from __future__ import annotations

import base64
from html import escape


def download(text: str, filename: str, kind: str, content: bytes) -> str:
    """Return a link that saves a file; the file is in the link, so nothing is asked for it.

    Args:
        text: of the link.
        filename: under which it is saved.
        kind: its media type.
        content: the file.
    """
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return f'<a href="{source}" download="{escape(filename)}">{escape(text)}</a>'
