"""What fills a GPU's memory: weights, the tokens of calls, the program, and what is left."""

from __future__ import annotations

from matplotlib.axes import Axes

from maas_lab import palette
from maas_lab.capacity import Fit
from maas_lab.errors import UsageError
from maas_lab.plots.figure import (
    CATEGORIES,
    OTHERS,
    REJECTED,
    DescribedFigure,
    Look,
    count,
    drawing,
    finish,
    legend,
    listed,
    shown,
)

_GB = 1e9
_TOLD = 6  # bars that a title tells one by one
_PARTS = {
    "weights": CATEGORIES[0],
    "calls (KV cache)": CATEGORIES[1],
    "program": CATEGORIES[4],
    "left to others": OTHERS,
    "free": Look(palette.GRID, ""),
}


def memory(*fits: Fit) -> DescribedFigure:
    """Draw what fills a card, a bar for each answer of `capacity.fits`, the first one uppermost.

    A black line ends each card; what does not fit stands beyond it.

    Returns:
        A figure whose title says what fits.

    Raises:
        UsageError: there is nothing to draw.
    """
    if not fits:
        raise UsageError("there is nothing to draw", hint='plots.memory(capacity.fits(model, "w4a16", card_gb=24))')
    title = _verdict(fits[0]) if len(fits) == 1 else _sorted_out(fits)
    words = f"{title}. A bar each, in GB. {' '.join(_words(fit) for fit in fits)}"
    with drawing(title, words, figsize=(8, 1.7 + 0.6 * len(fits))) as (figure, (axes,)):
        for row, fit in enumerate(fits):
            _bar(axes, -row, fit, named=row == 0)
        axes.set_yticks([-row for row in range(len(fits))], [shown(_name(fit), 34) for fit in fits])
        axes.tick_params(axis="y", length=0)
        ends = [1.05 * fit.card if fit else 1.25 * (fit.card - fit.free) for fit in fits]  # with room for `missing`
        axes.set_xlim(0, max(ends) / _GB)
        axes.set_ylim(-len(fits) + 0.4, 0.6)
        axes.set_xlabel("GB of 10⁹ bytes")
        finish(axes, "x")
        legend(axes)
    return figure


def _sizes(fit: Fit) -> dict[str, float]:
    parts = (fit.weights, fit.cache, fit.runtime, fit.reserved, max(0, fit.free))
    return dict(zip(_PARTS, (part / _GB for part in parts), strict=True))


def _bar(axes: Axes, row: int, fit: Fit, *, named: bool) -> None:
    left = 0.0
    for part, size in _sizes(fit).items():
        axes.barh([row], [size], 0.6, left=left, label=part if named else "", **_PARTS[part].bar)
        left += size
    end = fit.card / _GB
    look = {"color": palette.INK, "linewidth": 2.5, "label": "end of card" if named else ""}
    axes.plot([end, end], [row - 0.42, row + 0.42], **look)
    if not fit:
        axes.text(left, row, f" {-fit.free / _GB:.1f} missing", va="center", color=REJECTED.color, fontweight="bold")


def _name(fit: Fit) -> str:
    return f"{fit.precision} on {fit.card_gb:g} GB"


def _verdict(fit: Fit) -> str:
    calls = f"{count(fit.users, 'call')} of {fit.context:,} tokens"
    left = f"{abs(fit.free) / _GB:.1f} GB are {'free' if fit else 'missing'}"
    verb = "fit" if fit else "do not fit"
    return f"{fit.model.name} {fit.precision} and {calls} {verb} a {fit.card_gb:g} GB card: {left}"


def _sorted_out(fits: tuple[Fit, ...]) -> str:
    good, bad = ([_name(fit) for fit in fits if bool(fit) is wanted] for wanted in (True, False))
    if len(fits) > _TOLD:
        return f"{len(good)} of {len(fits)} fit"
    if not (good and bad):
        return f"{listed(good or bad)}: {'all fit' if good else 'none fits'}"
    return (
        f"{listed(good)}: {'fits' if len(good) == 1 else 'fit'}; {listed(bad)}: {'does' if len(bad) == 1 else 'do'} not"
    )


def _words(fit: Fit) -> str:
    parts = ", ".join(f"{part} {size:.1f}" for part, size in _sizes(fit).items())
    missing = "" if fit else f", {-fit.free / _GB:.1f} missing"
    return f"{fit.model.name} {_name(fit)}: {parts}{missing}."
