"""The challenge: a platform of your own that breaks in six ways, and you are on call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maas_lab import outfile, wait
from maas_lab.challenge import building, postmortem, spender, starting, symptoms
from maas_lab.challenge.postmortem import Repair, Shift
from maas_lab.challenge.starting import closing
from maas_lab.challenge.state import Notes
from maas_lab.challenge.symptoms import Symptom
from maas_lab.challenge.tickets import APPLICATIONS, Offer, Plan, Ticket, tickets
from maas_lab.client import record
from maas_lab.errors import NotFound, UsageError
from maas_lab.tables import Table
from maas_lab.windows import Window

if TYPE_CHECKING:
    import pandas as pd

    from maas_lab.client import Reply
    from maas_lab.lab import Lab

PREFIX = "maas-lab-06"  # the name of the namespace begins with this
_START = "lab.challenge.start()"


class Challenge:
    """The challenge of one learner on one cluster: `lab.challenge`.

    What it makes lies in a namespace of the learner's own, and it remembers everything there: after a restart of the
    kernel, `start()` goes on where it was.

    Args:
        lab: the lab that the learner is connected to.

    Attributes:
        namespace: of the platform that breaks.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.namespace = lab.cluster.own_namespace(PREFIX)
        self._notes = Notes(lab.cluster, self.namespace)

    # The shift

    def start(self, patience: float = 600, progress: Callable[[str], object] | None = None) -> Lab:
        """Build a platform of your own, wait until it is healthy, break it, and return it.

        Where it is there already, broken or half repaired, it stays as it is, and only the runaway goes on.

        Args:
            patience: seconds to wait for pods at most; on a cluster, images come over the network.
            progress: called with a line whenever something gets on, e.g. `print`.

        Raises:
            NotAllowed: rights are missing; says which, and the commands that give them.
            TookTooLong: pods do not become ready, or another start of yours goes on and on; says why.
        """
        starting.make_room(self._lab.cluster, self.namespace)
        with self._notes.building(patience) as is_mine:
            if is_mine:
                starting.build(self._lab, self.namespace, self._notes, patience, progress)
        platform = self.platform()
        one = self.plan.runaway
        spender.let_run(self._place, building.client_of(platform, one), platform.model)
        return platform

    def stop(self, patience: float = 120) -> None:
        """End the runaway, and remove the namespace with all that is in it; files that you asked for stay.

        Args:
            patience: seconds to wait until the namespace is gone.

        Raises:
            NotAllowed: you may not delete the namespace.
            TookTooLong: something in it does not go; says what.
        """
        spender.stop(self._place)
        self._lab.cluster.delete(f"namespace/{self.namespace}", timeout=patience)

    def platform(self) -> Lab:
        """Return the platform that is broken, as `connect()` returns the lab's own: cluster, gateway, model, usage.

        Raises:
            NotFound: the challenge has not been started.
        """
        from maas_lab.lab import Lab  # which knows this module

        self._started()
        return Lab(self._lab.cluster, self.namespace)

    # What people tell, and what they meet

    @property
    def tickets(self) -> Table[Ticket]:
        """What people have written to you: symptoms, and no causes."""
        return Table(Ticket, tickets(self._lab.model, self.approved))

    @property
    def offers(self) -> Table[Offer]:
        """The price list, as the organisation keeps it in Git: what the gateway should offer."""
        return Table(Offer, [Offer(**one) for one in json.loads(self._started()["offers"])])

    @property
    def approved(self) -> float:
        """Dollars that finance has agreed to, in all, for the translation desk."""
        return float(self._started()["approved"])

    def symptoms(self) -> Table[Symptom]:
        """Let everybody call once, now, and return what each of them meets."""
        with closing(self.platform()) as platform:
            return symptoms.now(platform, self.plan)

    def reproduce(self, ticket: int) -> Reply:
        """Make the call that a ticket is about, as that application makes it, and return the reply.

        Args:
            ticket: its number: 1, 3, 4 or 5.

        Raises:
            GatewayError: as the application meets it, with its type and what the gateway says.
            UsageError: the ticket is about no single call.
        """
        if ticket not in symptoms.CALLERS:
            hint = f"there are: {', '.join(map(str, symptoms.CALLERS))}; for others see lab.challenge.symptoms()"
            raise UsageError(f"there is no call to make for ticket {ticket!r}", hint=hint)
        with closing(self.platform()) as platform:
            return symptoms.reproduce(platform, symptoms.CALLERS[ticket])

    def calls_of(self, application: str) -> pd.DataFrame:
        """Let an application call once more, wait until how that ends is booked, and return all its calls.

        Args:
            application: its name, as in the column `application` of the usage.

        Returns:
            Its calls since the platform was begun, as `usage.rows` has them.

        Raises:
            UsageError: there is no such application.
        """
        one = next((one for one in APPLICATIONS if one.name == application), None)
        if one is None:
            hint = f"there are: {', '.join(one.name for one in APPLICATIONS)}"
            raise UsageError(f"there is no application {application!r}", hint=hint)
        since = datetime.fromisoformat(self._started()["began"])
        with closing(self.platform()) as platform, building.client_of(platform, one) as client:
            outcome = record(client, "Say hello.", model=platform.model + one.tier, max_tokens=4)["outcome"]

            def booked() -> list[pd.DataFrame]:
                rows = platform.usage.rows(Window(since, datetime.now(UTC)))
                own = rows[rows["application"] == application]
                return [own] if list(own["outcome"])[-1:] == [outcome] else []

            # A refusal by a budget has no id by which its row could be found.
            what = f"the gateway to book a call of {application}"
            return wait.until(booked, what=what, timeout=20, every=0.5)[0]

    # What was done

    @property
    def hints(self) -> dict[int, int]:
        """How many hints each closed ticket took, by its number."""
        return {one.number: one.hints for one in self.shift().repairs if one.at}

    def close(self, ticket: int, found: str, hints: int) -> None:
        """Note that a ticket is repaired; the checks do that. The first time counts.

        Args:
            ticket: its number.
            found: what the learner found, as text.
            hints: used for it.
        """
        if not self.is_closed(ticket):
            entry = {"found": found, "hints": hints, "at": datetime.now(UTC).isoformat(timespec="seconds")}
            self._notes.write(**{f"closed-{ticket}": json.dumps(entry)})

    def is_closed(self, ticket: int) -> bool:
        """Return whether a ticket is repaired."""
        return f"closed-{ticket}" in self._started()

    def shift(self) -> Shift:
        """Return what was measured so far: when it began, what people met, what you found and when, and the hints.

        Raises:
            NotFound: the challenge has not been started.
        """
        notes, told = self._started(), self.tickets
        met = json.loads(notes["met"])
        repairs = [
            Repair(one.number, one.topic, one.sender, met[str(one.number)], **_closed(notes, one.number))
            for one in told
        ]
        events = [row for row in self._lab.cluster.events(self.namespace) if row.type == "Warning"]
        return Shift(self.namespace, datetime.fromisoformat(notes["planted"]), datetime.now(UTC), repairs, events)

    def post_mortem(self, path: str | Path = "post-mortem.md") -> Path:
        """Write a post-mortem beside your notebook: what was measured is in it, the rest is for you to fill in.

        Args:
            path: of the file; one that is there already is replaced only as long as you have written nothing into it.

        Raises:
            UsageError: it cannot be written, or there is one with words of yours.
        """
        file = Path(path).expanduser()
        is_ours = file.is_file() and postmortem.is_untouched(file.read_text(encoding="utf-8", errors="replace"))
        return outfile.write(file, postmortem.written(self.shift()).encode(), replace=is_ours)

    @property
    def plan(self) -> Plan:
        """What was drawn for this platform; to look at it spoils the challenge."""
        return Plan.of(int(self._started()["seed"]))

    @property
    def keys(self) -> dict[str, str]:
        """The hash of the key that each application was given, by the application's name."""
        return json.loads(self._started()["keys"])

    def __repr__(self) -> str:
        notes = self._notes.read()
        closed = sum(name.startswith("closed-") for name in notes)
        state = f"{closed} of 6 tickets closed" if notes.get("planted") else "not started"
        return f"Challenge({self.namespace}: {state})"

    @property
    def _place(self) -> str:
        return f"{self._lab.cluster.server} {self.namespace}"

    def _started(self) -> dict[str, str]:
        notes = self._notes.read()
        if not notes.get("planted"):
            why = f"the namespace {self.namespace} holds none, or its start was interrupted"
            raise NotFound("you have no challenge on this cluster", why, f"{_START} makes one, or goes on")
        return notes


def _closed(notes: Mapping[str, str], ticket: int) -> dict[str, Any]:
    """Return what was noted when a ticket was closed; nothing as long as it is open."""
    entry = json.loads(notes.get(f"closed-{ticket}", "{}"))
    return entry | ({"at": datetime.fromisoformat(entry["at"])} if entry else {})
