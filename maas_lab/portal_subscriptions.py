"""A user's subscriptions to the portal's models."""

from __future__ import annotations

from maas_lab.errors import AlreadyExists, ApprovalNeeded, NoSuchEntry, NotSubscribed
from maas_lab.portal_rest import PortalRest
from maas_lab.portal_rows import Subscription
from maas_lab.tables import Table

ENDED = ("cancelled", "inactive", "expired")  # LiteMaaS calls one that was given up `inactive`, older ones `cancelled`


class Subscriptions:
    """The subscriptions of the user who is logged in.

    Args:
        rest: the portal, with the user's token.
    """

    def __init__(self, rest: PortalRest) -> None:
        self._rest = rest

    def all(self) -> Table[Subscription]:
        """Return all subscriptions."""
        return Table(Subscription, [Subscription.read(row) for row in self._rest.every_row("/subscriptions")])

    def create(self, model: str) -> Subscription:
        """Subscribe to a model; a subscription that is there already is returned."""
        try:
            return Subscription.read(self._rest.write("POST", "/subscriptions", json={"modelId": model}))
        except AlreadyExists:
            return self.find(model)

    def cancel(self, model: str) -> None:
        """Give up the subscription to a model; one that is not there is fine."""
        for one in self.all():
            if one.model == model and one.status not in ENDED:
                self._rest.write("POST", f"/subscriptions/{one.id}/cancel", json={})

    def request_review(self, model: str) -> Subscription:
        """Ask for another decision about a denied subscription."""
        self._rest.write("POST", f"/subscriptions/{self.find(model).id}/request-review", json={})
        return self.find(model)

    def find(self, model: str) -> Subscription:
        """Return the subscription to a model, the active one if there are several.

        Raises:
            NoSuchEntry: there is none.
        """
        mine = [one for one in self.all() if one.model == model]
        if not mine:
            what = f"you have no subscription to `{model}`"
            raise NoSuchEntry(what, "it was given up, or never asked for", f"portal.subscribe({model!r})")
        return next((one for one in mine if one.active), mine[0])


def must_be_active(one: Subscription) -> None:
    """Refuse to go on with a subscription for which no key can be made.

    Raises:
        ApprovalNeeded: it waits for an administrator, or was denied.
        NotSubscribed: it has ended.
    """
    if one.status == "pending":
        hint = "wait until an administrator approves it (portal.admin.requests() shows it), then call again"
        raise ApprovalNeeded(f"the model `{one.model}` is restricted", "your subscription waits for approval", hint)
    if one.status == "denied":
        hint = f"portal.request_review({one.model!r}) asks them to look again"
        raise ApprovalNeeded(f"your subscription to `{one.model}` was denied", one.reason, hint)
    if not one.active:
        hint = f"portal.unsubscribe({one.model!r}), then portal.subscribe({one.model!r})"
        raise NotSubscribed(f"your subscription to `{one.model}` is {one.status}", "", hint)
