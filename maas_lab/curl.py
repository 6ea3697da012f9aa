"""The curl command of the portal: shown with the key masked, run with the key on standard input."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from typing import Any

from maas_lab import shell
from maas_lab.keys import ApiKey
from maas_lab.refusals import refusal, unreachable

_TIMED_OUT = 28
# What curl's exit codes say; its own words hold measured times.
_CAUSES = {
    5: "the proxy's name is unknown",
    6: "the host's name is unknown",
    7: "Connection refused",
    60: "CERTIFICATE_VERIFY_FAILED",
}


class Curl:
    """A chat completion as a curl command.

    It prints as the command to paste into a terminal; the secret stands in an environment variable there.

    Args:
        base_url: of the OpenAI API, with `/v1`.
        key: the consumer's key.
        prompt: what to ask.
        model: the model's name in the catalogue.
        max_tokens: the longest answer, in tokens.
        authorities: certificates in PEM to trust; empty means curl's own, or those of `SSL_CERT_FILE`.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey | str,
        prompt: str,
        *,
        model: str,
        max_tokens: int = 64,
        authorities: str = "",
    ) -> None:
        self.url = f"{base_url.rstrip('/')}/chat/completions"
        self.key, self._authorities = ApiKey.of(key), authorities
        messages = [{"role": "user", "content": prompt}]
        self.body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": max_tokens}

    def __str__(self) -> str:
        members = [f'    "{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in self.body.items()]
        data = "{\n" + ",\n".join(members) + "\n  }"
        return "\n".join(
            [
                f"# first, in a terminal: read -rs MAAS_API_KEY   (then paste the key {self.key}, and Enter)",
                f"curl -sS {shlex.quote(self.url)} \\",
                '  -H "Authorization: Bearer $MAAS_API_KEY" \\',
                '  -H "Content-Type: application/json" \\',
                f"  -d {shlex.quote(data)}",
            ]
        )

    def __repr__(self) -> str:
        return str(self)

    def run(self, timeout: float = 120) -> dict[str, Any]:
        """Run curl and return the parsed answer.

        The same request as shown, but the key is read from standard input: arguments are in the process list.

        Args:
            timeout: seconds for the whole call.

        Raises:
            GatewayError: the gateway refused, failed, or did not answer; its subclass says which.
            EnvironmentFault: curl is not installed.
        """
        argv = ["curl", "-sS", "--include", "--max-time", f"{timeout:g}", "--config", "-", self.url]
        argv += ["-H", "Content-Type: application/json", "-d", json.dumps(self.body)]
        secret = f'header = "Authorization: Bearer {self.key.reveal()}"\n'
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            if self._authorities:
                file.write(self._authorities)
                file.flush()
                argv += ["--cacert", file.name]
            done = shell.run(argv, stdin=secret, timeout=timeout + 10)
        if done.code:
            raise unreachable(_CAUSES.get(done.code, done.stderr), timed_out=done.code == _TIMED_OUT)
        return _answer(done.stdout)


def _answer(text: str) -> dict[str, Any]:
    """Parse what `curl --include` wrote: one or more blocks of headers, then the body."""
    head, body = "", text
    # A proxy's answer to CONNECT, or `100 Continue`, comes in a block of its own before the real one.
    while body.startswith("HTTP/"):
        head, _, body = body.partition("\r\n\r\n")
    status = int(head.split()[1])
    headers = dict(re.findall(r"^([^:\s]+):[ \t]*(.*?)\s*$", head, re.MULTILINE))
    try:
        parsed = json.loads(body)
    except ValueError:
        raise refusal(status, body, headers) from None
    if status >= 300:
        raise refusal(status, parsed, headers)
    return parsed
