"""Log in at a cluster with the line of OpenShift's "Copy login command"; the token is kept in this process only."""

from __future__ import annotations

from ipywidgets import HTML, Password, Text, VBox
from traitlets import Unicode

from maas_lab import logins
from maas_lab.cluster import Cluster
from maas_lab.widgets.parts import Message, Panel, beside, button

_ABOUT = f"""<h3>Log in at a cluster</h3>
<p>In OpenShift's console: your name, <b>Copy login command</b>, <b>Display token</b>. Paste the whole line here:</p>
<p><code>{logins.EXAMPLE}</code></p>
<p>It is checked with one call and kept until this kernel ends. It is written into no file and no notebook.</p>"""


class _Secret(Password):
    """A password field whose text is sent to nobody who did not type it: ipywidgets would echo it to every page."""

    value = Unicode("", help="String value").tag(sync=True, echo_update=False)


class ClusterLogin(Panel):
    """A field for a login command, and the button that logs in with it; `connect()` then takes that cluster.

    The field is emptied as soon as its text is here, and no part that a notebook saves ever holds it.

    Attributes:
        command: the field for the line `oc login --token=... --server=...`, or for a token alone.
        server: the field for the API's address, where the line does not name it.
        log_in: the button.
        log_out: the button that forgets the token.
        message: what became of it.
        error: why the last action failed; None when it did not.
    """

    TEXT = """\
ClusterLogin: in a running notebook, a field for the line of OpenShift's "Copy login command"; it stores no token.
The same in code:
  import getpass
  lab = connect(server="https://api.example.com:6443", token=getpass.getpass("token: "))"""

    def __init__(self) -> None:
        self.command = _Secret(description="Login command:", continuous_update=False, **beside())
        self.server = Text(description="Address of the API:", placeholder="only for a token alone", **beside())
        self.log_in = button("Log in", "Check the token with one call, and keep it until this kernel ends", "primary")
        self.log_out = button("Forget it", "Forget the token")
        self.message = Message()
        self._pasted = ""
        super().__init__(
            [HTML(_ABOUT), VBox([self.command, self.server, self.log_in, self.log_out]), self.message],
            [self.log_in, self.log_out],
        )
        self._enable()
        self.command.observe(lambda change: self._take(change.new), "value")
        self.log_in.on_click(lambda _: self._log_in())
        self.log_out.on_click(lambda _: self._log_out())

    def _enable(self) -> None:
        super()._enable()
        self.log_out.disabled = logins.kept() is None

    def _take(self, text: str) -> None:
        """Keep what was pasted until the button is pressed, and empty the field at once."""
        if text:
            self._pasted, self.command.value = text, ""
            self.message.working("Pasted, and taken out of the field. Now press “Log in”.")

    def _log_in(self) -> None:
        text, self._pasted = self._pasted, ""
        with self._action("Asking the cluster …", self.message):
            login = logins.read(text, self.server.value)
            with Cluster(login) as cluster:
                user = cluster.whoami()
            logins.keep(login)
            self.message.done(f"You are {user} at {login.server}. Now run: lab = connect()")

    def _log_out(self) -> None:
        logins.keep(None)
        self._enable()
        self.message.done("The token is forgotten here; `oc logout` in a terminal where it was used ends it for good.")


def cluster_login() -> ClusterLogin:
    """Return a field for the line of OpenShift's "Copy login command"; `connect()` then takes that cluster."""
    return ClusterLogin()
