"""Every failure a learner can meet: what happened, why, and what to try next.

LabError                expected failures only: a bug keeps its own type and its traceback
├── UsageError          a parameter, an option or the configuration file is wrong (exit code 2)
├── EnvironmentFault    this machine lacks something: space, rights, Python, a program
├── InstallError        the runtime environment could not be built
├── StackError          a process of the local cluster does not come up
├── NotRunning          no lab is running here
├── TookTooLong         something did not happen in time
├── GatewayError        the gateway refused a call or could not be reached
│   ├── InvalidKey          the key is unknown, revoked, blocked or expired
│   ├── ModelNotAllowed     the key does not open this model, or the model does not exist
│   ├── RateLimited         too many requests or tokens in this minute
│   ├── BudgetExceeded      the key, its user or its team has spent its budget
│   ├── BadRequest          the request itself is wrong, e.g. a prompt longer than the context
│   └── GatewayUnreachable  nothing answers at the gateway's address
├── ManifestError       a folder of manifests cannot be rendered
├── ClusterError        the cluster refused a call or could not be reached
│   ├── NotLoggedIn         the cluster does not know this token, or it has expired
│   ├── NotAllowed          a right is missing
│   ├── NotFound            there is no such object, or no such kind of objects
│   ├── Conflict            somebody else owns a field, or has changed the object meanwhile
│   ├── Rejected            the object itself is wrong, e.g. an unknown field
│   └── ClusterUnreachable  nothing that can be trusted answers at the cluster's address
├── PortalError         the portal refused a call or could not be reached
│   ├── LoginFailed         this name and password open nothing, or the cluster wants a browser
│   ├── SessionExpired      the portal does not know this token, or it has expired
│   ├── RoleMissing         the role of this user does not allow it
│   ├── NotSubscribed       there is no active subscription to a model
│   ├── ApprovalNeeded      a subscription waits for an administrator, or was denied
│   ├── AlreadyExists       something of this name is there already
│   ├── OverMaximum         a limit is above the portal's maximum, or there are too many keys
│   ├── NoSuchEntry         the portal has nothing of this name or id
│   ├── InvalidRequest      the request itself is wrong
│   ├── PortalBusy          too many calls in this minute
│   └── PortalUnreachable   nothing answers at the portal's address
├── MetricsError        the model server's own metrics cannot be read
├── AccountingError     usage, a price list or money does not allow what was asked for
│   ├── DatabaseError       the gateway's database refused a query or could not be reached (usage_database)
│   └── MissingPrice        a price list has no price of this item on this day
├── LessonError         a lesson's source cannot be turned into notebooks, or a run of it failed
└── ExerciseError       an exercise is not solved yet
    ├── NotDoneYet          the cell still holds its blank
    └── NotQuite            the live system does not show what was asked for
"""

_BELOW = "\n" + " " * len("  why: ")


class LabError(Exception):
    """An expected failure: shown in a notebook and on the command line without a traceback.

    Args:
        what: what happened, one sentence.
        why: the cause as far as it is known.
        hint: what to do next, with the exact command or call.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.hint = what, why, hint

    def lines(self) -> list[str]:
        """Return the message as the lines a person reads."""
        told = [f"{type(self).__name__}: {self.what}"]
        for label, text in (("why", self.why), ("try", self.hint)):
            # What has several lines, e.g. all causes of a refusal, stays below its first one.
            told += [f"  {label}: " + text.replace("\n", _BELOW)] if text else []
        return "\n".join(told).split("\n")

    @staticmethod
    def hint_of(text: str) -> str:
        """Return the hint in a message that `lines` made; empty when it has none."""
        return text.partition("\n  try: ")[2].replace(_BELOW, "\n").strip()

    def _render_traceback_(self) -> list[str]:
        """Show these lines instead of a traceback (IPython, papermill and nbclient honour this)."""
        return self.lines()


class UsageError(LabError):
    """A parameter, an option or the configuration file is wrong."""

    exit_code = 2


class EnvironmentFault(LabError):
    """This machine lacks something the lab needs."""


class InstallError(LabError):
    """The runtime environment could not be built."""


class StackError(LabError):
    """A process of the local cluster does not come up."""


class NotRunning(LabError):
    """No lab is running here."""


class TookTooLong(LabError):
    """Something did not happen in time."""


class GatewayError(LabError):
    """The gateway refused a call or could not be reached.

    Attributes:
        status: the HTTP status code; None when no answer came.
        type: `error.type` of the answer's body, as the gateway sent it.
        retry_after: seconds the gateway asks to wait; None when it does not say.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        hint: str = "",
        *,
        status: int | None = None,
        type: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, why, hint)
        self.status, self.type, self.retry_after = status, type, retry_after


class InvalidKey(GatewayError):
    """The key is unknown, revoked, blocked or expired."""


class ModelNotAllowed(GatewayError):
    """The key does not open this model, or the model does not exist."""


class RateLimited(GatewayError):
    """Too many requests or tokens in this minute."""


class BudgetExceeded(GatewayError):
    """The key, its user or its team has spent its budget."""


class BadRequest(GatewayError):
    """The request itself is wrong."""


class GatewayUnreachable(GatewayError):
    """Nothing answers at the gateway's address."""


class ManifestError(LabError):
    """A folder of manifests cannot be rendered."""


class ClusterError(LabError):
    """The cluster refused a call or could not be reached.

    Attributes:
        status: the HTTP status code; None when no answer came.
        reason: the Kubernetes API's one-word reason, e.g. `AlreadyExists`; empty when it gives none.
        causes: what the server says is wrong, one line each, the field's path first where it names one.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        hint: str = "",
        *,
        status: int | None = None,
        reason: str = "",
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, why, hint)
        self.status, self.reason, self.causes = status, reason, causes


class NotLoggedIn(ClusterError):
    """The cluster does not know this token, or it has expired."""


class NotAllowed(ClusterError):
    """A right is missing."""


class NotFound(ClusterError):
    """There is no such object, or no such kind of objects."""


class Conflict(ClusterError):
    """Somebody else owns a field, or has changed the object meanwhile."""


class Rejected(ClusterError):
    """The object itself is wrong."""


class ClusterUnreachable(ClusterError):
    """Nothing that can be trusted answers at the cluster's address."""


class PortalError(LabError):
    """The portal refused a call or could not be reached.

    Attributes:
        status: the HTTP status code; None when no answer came.
        code: the portal's one-word reason, e.g. `ALREADY_EXISTS`; empty when it gives none.
        retry_after: seconds the portal asks to wait; None when it does not say.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        hint: str = "",
        *,
        status: int | None = None,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, why, hint)
        self.status, self.code, self.retry_after = status, code, retry_after


class LoginFailed(PortalError):
    """This name and password open nothing, or the cluster wants a browser."""


class SessionExpired(PortalError):
    """The portal does not know this token, or it has expired."""


class RoleMissing(PortalError):
    """The role of this user does not allow it."""


class NotSubscribed(PortalError):
    """There is no active subscription to a model."""


class ApprovalNeeded(PortalError):
    """A subscription waits for an administrator, or was denied."""


class AlreadyExists(PortalError):
    """Something of this name is there already."""


class OverMaximum(PortalError):
    """A limit is above the portal's maximum, or there are too many keys."""


class NoSuchEntry(PortalError):
    """The portal has nothing of this name or id."""


class InvalidRequest(PortalError):
    """The request itself is wrong."""


class PortalBusy(PortalError):
    """Too many calls in this minute."""


class PortalUnreachable(PortalError):
    """Nothing answers at the portal's address."""


class MetricsError(LabError):
    """The model server's own metrics cannot be read."""


class AccountingError(LabError):
    """Usage, a price list or money does not allow what was asked for."""


class MissingPrice(AccountingError):
    """A price list has no price of this item on this day."""


class LessonError(LabError):
    """A lesson's source cannot be turned into notebooks, or a run of it failed."""


class ExerciseError(LabError):
    """An exercise is not solved yet."""


class NotDoneYet(ExerciseError):
    """The cell still holds its blank."""


class NotQuite(ExerciseError):
    """The live system does not show what was asked for."""
