"""What people meet now: each of them calls as their own program does, and what that sees is written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maas_lab import wait
from maas_lab.challenge import building
from maas_lab.challenge.tickets import (
    GATEWAY,
    HELP_DESK,
    REPORT,
    SETTING,
    TRAINEES,
    TRANSLATION,
    Application,
    Plan,
)
from maas_lab.errors import GatewayError, RateLimited
from maas_lab.objects import pod_row
from maas_lab.tables import Table

if TYPE_CHECKING:
    from maas_lab.client import Reply
    from maas_lab.lab import Lab

ANSWERED = "an answer"
REST = 12  # seconds; the gateway takes a server out of service for 5 when that has refused it
CALLERS = {1: HELP_DESK, 3: REPORT, 4: TRAINEES, 5: TRANSLATION}


@dataclass(frozen=True)
class Symptom:
    """What somebody meets.

    Attributes:
        ticket: its number; `none` for somebody who has written none.
        who: meets it.
        does: what they do.
        meets: what they see when they do it: the SDK's error and the HTTP status, or an answer.
    """

    ticket: str
    who: str
    does: str
    meets: str


def now(platform: Lab, plan: Plan) -> Table[Symptom]:
    """Let everybody call once, and return what each of them meets."""
    rows = {number: _row(platform, str(number), one) for number, one in CALLERS.items()}
    rows[2] = Symptom("2", "the accountant", f"looks at {SETTING} of the gateways", setting(platform))
    rows[6] = Symptom("6", "management", "asks whether the spender's next call passes", met(platform, plan.runaway))
    found = [rows[number] for number in sorted(rows)]
    return Table(Symptom, [*found, Symptom("none", "somebody else", _does(platform, ""), met(platform, plan.witness))])


def reproduce(platform: Lab, application: Application) -> Reply:
    """Call as an application does, and return the reply; meanwhile wait while the gateway lets the server rest.

    Raises:
        GatewayError: as the application meets it.
    """

    def asked() -> Reply | None:
        try:
            return building.call(platform, application)
        except GatewayError as error:
            if error.status == 429 and not isinstance(error, RateLimited):
                return None
            raise

    return wait.until(asked, what="the gateway to try that model server again", timeout=REST, every=1)


def met(platform: Lab, application: Application) -> str:
    """Return what an application's program sees of its next call."""
    try:
        reproduce(platform, application)
    except GatewayError as error:
        return seen(error)
    return ANSWERED


def seen(error: GatewayError) -> str:
    """Return an error as a program without this lab's help would log it. Pure."""
    raised = error.__cause__ or error
    return f"{type(raised).__name__}, {f'HTTP {error.status}' if error.status else 'no answer'}"


def setting(platform: Lab) -> str:
    """Return what the gateways that get calls were started with."""
    pods = platform.cluster.list("Pod", platform.namespace, selector=f"app.kubernetes.io/name={GATEWAY}")
    return in_words([building.setting_of(pod) for pod in pods if is_serving(pod)])


def in_words(values: Iterable[str]) -> str:
    """Return what gateways were started with, in words. Pure."""
    told = " and ".join(sorted(set(values)))
    return f"it is {told} where calls go" if told else "no gateway is ready"


def is_serving(pod: building.Object) -> bool:
    """Return whether a pod gets calls. Pure."""
    row = pod_row(pod)
    ready, _, total = row.ready.partition("/")
    return row.phase == "Running" and ready == total


def _row(platform: Lab, ticket: str, application: Application) -> Symptom:
    does = _does(platform, application.tier, application.route)
    return Symptom(ticket, application.name, does, met(platform, application))


def _does(platform: Lab, tier: str, route: str = GATEWAY) -> str:
    return f"asks {platform.model}{tier} at {route}-…"
