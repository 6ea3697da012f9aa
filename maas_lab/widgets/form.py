"""The portal's form: create an application, get its key, and look after it."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape

from ipywidgets import HTML, Dropdown, Text, VBox

from maas_lab.amounts import dollars
from maas_lab.curl import Curl
from maas_lab.keys import ApiKey
from maas_lab.portal import Application, Portal
from maas_lab.portal_rows import OfferedModel, User
from maas_lab.widgets import limits
from maas_lab.widgets.applications import Applications
from maas_lab.widgets.parts import Message, Panel, beside, button, offer

_PROMPT = "Say hello in one sentence."
_PYTHON = """# in the same terminal, first: export MAAS_API_KEY
import os
from openai import OpenAI

client = OpenAI(base_url={url}, api_key=os.environ["MAAS_API_KEY"])
answer = client.chat.completions.create(
    model={model},
    messages=[{{"role": "user", "content": {prompt}}}],
    max_tokens=64,
)
print(answer.choices[0].message.content)"""


class PortalForm(Panel):
    """A form that creates an application at the portal and shows its key, masked.

    No part of it that a notebook saves holds more of a key than its last four characters.

    Args:
        portal: the user's; `load` asks it for what the form shows.

    Attributes:
        application: what was created or rotated last, with its key; None before, and after it was revoked.
        name: the field for the application's name.
        model: the field that chooses a model; its `value` is the model's name.
        budget: the field for its key's budget in dollars; empty means none of its own.
        requests: the field for its key's requests per minute; empty means no limit of its own.
        create: the button.
        message: what became of it.
        applications: the user's applications, with the buttons to rotate, block and revoke.
        error: why the last action failed; None when it did not.
    """

    TEXT = """\
PortalForm: in a running notebook, a form that creates an application at the portal and shows its API key, masked.
The same in code:
  application = portal.create_application("My GenAI App", [model], max_budget=2.5, rpm_limit=60)
  application.key             the key, masked; application.key.reveal() is the secret
  portal.models()             the models to choose from
  portal.applications()       your applications
  portal.rotate_key(name)     a new key, the old one dies
  portal.block_key(name)      calls are refused, the key is kept (portal.unblock_key ends that)
  portal.delete_key(name)     revoked for good"""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.application: Application | None = None
        self._models: dict[str, OfferedModel] = {}
        self._who, self._about, self._result = HTML(), HTML(), HTML()
        self.name = Text(description="Application name:", placeholder="e.g. My GenAI App", **beside())
        self.model = Dropdown(description="Model:", **beside())
        self.budget = Text(description="Budget in dollars:", placeholder="optional, e.g. 2.50", **beside())
        self.requests = Text(description="Requests per minute:", placeholder="optional, e.g. 60", **beside())
        self.create = button("Create application", "Subscribe to the model, and make the application's key", "primary")
        self.message, self.applications = Message(), Applications()
        self.create.layout.margin = "2px 2px 2px calc(11em + 10px)"
        fields = VBox([self.model, self._about, self.name, self.budget, self.requests, self.create])
        parts = [self._who, fields, self.message, self._result, self.applications]
        super().__init__(parts, [self.create, *self.applications.buttons])
        self._connect()

    @property
    def key(self) -> ApiKey | None:
        """The key of the application that was created or rotated last."""
        return self.application and self.application.key

    def load(self) -> None:
        """Ask the portal who is logged in, for the models, and for the user's applications.

        Raises:
            PortalError: the portal refused, failed, or did not answer.
        """
        self._who.value = _greeting(self.portal.me, self.portal.url)
        models = self.portal.models()
        self._models = {one.name: one for one in models}
        offer(self.model, [(f"{one.name}{' (needs approval)' if one.restricted else ''}", one.name) for one in models])
        self._tell_model()
        self._list()
        self._enable()

    def _connect(self) -> None:
        shown = self.applications
        self.model.observe(lambda _: self._tell_model(), "value")
        self.create.on_click(lambda _: self._create())
        shown.rotate.on_click(lambda _: self._rotate())
        shown.block.on_click(lambda _: self._block())
        shown.confirm.on_click(lambda _: self._revoke())
        shown.refresh.on_click(lambda _: self._refresh())

    def _enable(self) -> None:
        self.create.disabled = not self._models
        self.applications.enable()

    def _tell_model(self) -> None:
        chosen = self._models.get(self.model.value)
        self._about.value = description(chosen) if chosen else "<p>The portal offers no model.</p>"

    def _list(self, choose: Application | None = None) -> None:
        self.applications.show(self.portal.applications(), choose)

    # Each button is one call.

    def _create(self) -> None:
        with self._action("Creating the application …", self.message):
            asked = {
                "max_budget": limits.budget(self.budget.value),
                "rpm_limit": limits.per_minute(self.requests.value),
            }
            name = limits.application_name(self.name.value)
            self._show(self.portal.create_application(name, [self.model.value], **asked))
            self.message.done(f"“{name}” is an application now; its key is below.")
            self._list(self.application)

    def _rotate(self) -> None:
        message = self.applications.message
        with self._action("Rotating the key …", message):
            old = self.applications.application
            self._show(replace(old, key=self.portal.rotate_key(old)))
            message.done(f"“{old.name}” has a new key, shown above; the old one is dead.")
            self._list()

    def _block(self) -> None:
        message, one = self.applications.message, self.applications.application
        with self._action("Changing the key …", message):
            change = self.portal.unblock_key if one.info.blocked else self.portal.block_key
            told = "refused from now on" if change(one).blocked else "answered again"
            message.done(f"Calls of “{one.name}” are {told}.")
            self._list()

    def _revoke(self) -> None:
        message, one = self.applications.message, self.applications.application
        with self._action("Revoking the key …", message):
            self.portal.delete_key(one)
            if self.application and self.application.info.id == one.info.id:
                self.application, self._result.value = None, ""
            message.done(f"“{one.name}” is revoked.")
            self._list()

    def _refresh(self) -> None:
        with self._action("Reading the list …", self.applications.message):
            self._list()
            self.applications.message.clear()

    def _show(self, application: Application) -> None:
        """Keep an application, and show its key, masked, with ways to use it."""
        self.application = application
        self._result.value = _key(application.key)
        self._result.value += _snippets(f"{self.portal.gateway_url()}/v1", application)


def portal_form(portal: Portal) -> PortalForm:
    """Return a form that creates applications at the portal, as the user who is logged in.

    Args:
        portal: of `lab.login(...)` or `Portal.login(...)`.

    Raises:
        PortalError: the portal refused, failed, or did not answer.
    """
    form = PortalForm(portal)
    form.load()
    return form


def description(model: OfferedModel) -> str:
    """Return what a model is, what it takes and what it costs, in words, as HTML."""
    context = "not told" if model.context is None else f"{model.context:,} tokens, prompt and answer together"
    prices = [dollars(1000 * cost) for cost in (model.input_cost, model.output_cost)]
    price = f"{prices[0]} per 1,000 tokens of prompts, {prices[1]} per 1,000 tokens of answers"
    access = "an administrator approves each subscription" if model.restricted else "open to everybody"
    facts = {"Context": context, "Price": price, "Access": access}
    lines = [escape(model.description)] if model.description else []
    lines += [f"<b>{name}:</b> {escape(told)}" for name, told in facts.items()]
    return f'<p style="margin-left: 11em; padding-left: 8px">{"<br>".join(lines)}</p>'


def _greeting(user: User, url: str) -> str:
    full = f" ({user.full_name})" if user.full_name not in ("", user.name) else ""
    roles = ", ".join(user.roles) or "none"
    told = f"Logged in as <b>{escape(user.name)}</b>{escape(full)}, roles: {escape(roles)}. Portal: {escape(url)}"
    return f"<h3>Create an application</h3><p>{told}</p>"


def _key(key: ApiKey) -> str:
    return (
        f"<h4>API key</h4><p><code>{escape(repr(key))}</code></p>"
        "<p>Only its last characters are shown, because notebooks are saved and shared. In this notebook the key is "
        "the form's <code>key</code>: <code>lab.client(form.key)</code> calls the model with it. To use it in a "
        "terminal, copy it on the portal's page.</p>"
    )


def _snippets(gateway: str, application: Application) -> str:
    model = application.models[0]
    curl = Curl(gateway, application.key, _PROMPT, model=model)
    python = {name: json.dumps(told) for name, told in (("url", gateway), ("model", model), ("prompt", _PROMPT))}
    return _code("curl", str(curl)) + _code("Python", _PYTHON.format(**python))


def _code(title: str, text: str) -> str:
    return f'<h4>{title}</h4><pre tabindex="0" aria-label="{title} snippet">{escape(text)}</pre>'
