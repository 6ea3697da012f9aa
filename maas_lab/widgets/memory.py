"""The memory calculator: does a model fit on a card, with so many users at once?"""

from __future__ import annotations

from html import escape
from typing import Any

from ipywidgets import HTML, BoundedIntText, Dropdown, VBox

from maas_lab import plots
from maas_lab.capacity import GRANITE_3_1_8B, PRECISIONS, Fit, Model, fits
from maas_lab.widgets.parts import Panel, beside, facts

# GB as their makers count them.
CARDS = {"NVIDIA L4": 24, "NVIDIA A100 40GB": 40, "NVIDIA L40S": 48, "NVIDIA A100 80GB, H100": 80}
_LEAST = 1024  # tokens


class MemoryCalculator(Panel):
    """Fields over `capacity.fits` and `plots.memory`: change one, and the answer is told anew.

    Args:
        model: which one.
        precision: of its weights, at first.
        card_gb: the card's memory in GB, at first.
        users: calls at once, at first.
        context: tokens of each call, prompt and answer together, at first.

    Attributes:
        card: the field that chooses a card; its `value` is the memory in GB.
        precision: the field that chooses the precision of the weights.
        users: the field of the calls at once.
        context: the field that chooses the tokens of each call.
        fit: the answer, true or false, with all sizes.
    """

    TEXT = """\
MemoryCalculator: in a running notebook, fields for card, precision, users and context, and whether the model fits.
The same in code:
  fit = capacity.fits(capacity.GRANITE_3_1_8B, "w4a16", card_gb=24, users=8, context=4096)
  bool(fit)                whether it fits; fit.free is what is left, in bytes
  fit.users_max            so many users fit
  plots.memory(fit)        what fills the card, as a chart"""

    def __init__(self, model: Model, precision: str, card_gb: float, users: int, context: int) -> None:
        fits(model, precision, card_gb, users, context)  # says what is wrong, before a field does in its own words
        self.model = model
        cards = {f"{name}, {size} GB": size for name, size in CARDS.items()}
        if card_gb not in CARDS.values():
            cards[f"{card_gb:g} GB"] = card_gb
        sizes = [_LEAST * 2**n for n in range(20) if _LEAST * 2**n <= model.context]
        contexts = [(f"{size:,} tokens", size) for size in sorted({*sizes, int(context)})]
        self.card = Dropdown(description="Card:", options=list(cards.items()), value=card_gb, **beside())
        self.precision = Dropdown(description="Weights:", options=list(PRECISIONS), value=precision, **beside())
        self.users = BoundedIntText(description="Users at once:", value=users, min=1, max=100_000, **beside())
        self.context = Dropdown(description="Tokens per call:", options=contexts, value=int(context), **beside())
        self._told, self._chart = HTML(), HTML()
        self._fields = (self.card, self.precision, self.users, self.context)
        title = HTML(f"<h3>Does {escape(model.name)} fit?</h3>")
        super().__init__([title, VBox(self._fields), self._told, self._chart], [])
        for field in self._fields:
            field.observe(lambda _: self._calculate(), "value")
        self._calculate()

    def _calculate(self) -> None:
        card, precision, users, context = (field.value for field in self._fields)
        self.fit = fits(self.model, precision, card, users, context)
        self._told.value = f'<div role="status">{_told(self.fit)}</div>'
        self._chart.value = f'<div class="charts">{plots.memory(self.fit).to_html()}</div>'


def memory_calculator(
    model: Model = GRANITE_3_1_8B, precision: str = "bf16", card_gb: float = 24, users: int = 8, context: int = 4096
) -> MemoryCalculator:
    """Return fields that tell whether a model fits on a card; arguments are those of `capacity.fits`.

    Raises:
        UsageError: there is no such precision, a number is not possible, or the model takes no such long calls.
    """
    return MemoryCalculator(model, precision, card_gb, users, context)


def _told(fit: Fit) -> str:
    numbers: dict[str, Any] = {
        "It fits": "yes" if fit else "no",
        "Weights": _gb(fit.weights),
        "Calls (KV cache)": _gb(fit.cache),
        "Free" if fit else "Missing": _gb(abs(fit.free)),
        "Users it has room for": f"{fit.users_max:,}",
    }
    return facts(numbers) + f"<p>{escape(repr(fit))}.</p>"


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
