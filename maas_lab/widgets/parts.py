"""What form and board are made of: a panel with a stable text, a message for people, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, ClassVar

from ipywidgets import HTML, Button, Dropdown, Layout, VBox

from maas_lab.errors import LabError

# Colours are JupyterLab's, so that light and dark themes both fit; the second ones are for other front ends.
STYLE = """<style>
.maas-lab { max-width: 60em; padding: 4px 12px 12px; color: var(--jp-ui-font-color1, inherit);
  border: 1px solid var(--jp-border-color2, #bdbdbd); border-radius: 4px; }
.maas-lab .widget-html-content { flex: 1 1 auto; min-width: 0; overflow-x: auto; line-height: 1.5;
  overflow-wrap: anywhere; }
.maas-lab .widget-html { height: auto; min-height: 0; max-width: 100%; }
.maas-lab h3 { margin: 4px 0 0; font-size: 1.15em; font-weight: 600; }
.maas-lab h4 { margin: 10px 0 2px; font-size: 1em; font-weight: 600; }
.maas-lab p { margin: 2px 0; }
.maas-lab pre { margin: 2px 0; padding: 8px; overflow-x: auto; line-height: 1.4;
  white-space: pre; word-break: normal; overflow-wrap: normal; color: inherit;
  font-family: var(--jp-code-font-family, monospace); font-size: 0.95em;
  background: var(--jp-layout-color2, #eeeeee); border-radius: 3px; }
.maas-lab code { color: inherit; background: var(--jp-layout-color2, #eeeeee); padding: 0 3px; border-radius: 3px; }
.maas-lab table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.maas-lab caption { text-align: left; font-weight: 600; padding: 8px 0 2px; }
.maas-lab th, .maas-lab td { text-align: left; padding: 3px 14px 3px 0; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color2, #bdbdbd); }
.maas-lab th, .maas-lab td:not(:first-child) { overflow-wrap: normal; }
.maas-lab .number { text-align: right; white-space: nowrap; }
.maas-lab th.number { white-space: normal; vertical-align: bottom; }
.maas-lab .widget-html-content dl { display: flex; flex-wrap: wrap; gap: 4px 40px; margin: 6px 0; }
.maas-lab .widget-html-content dt { float: none; width: auto; margin: 0; font-weight: normal; }
.maas-lab .widget-html-content dd { float: none; width: auto; margin: 0;
  font-size: 1.7em; line-height: 1.25; font-variant-numeric: tabular-nums; }
.maas-lab.maas-lab-wide { max-width: 90em; }
.maas-lab .maas-lab-scrolls { overflow-x: auto; }
.maas-lab .maas-lab-scrolls .widget-html-content { overflow-x: visible; }
.maas-lab .charts { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 44em), 1fr)); }
.maas-lab .charts img { width: 100%; max-width: 52em; border-radius: 3px; }
.maas-lab a { color: var(--jp-content-link-color, #1565c0); text-decoration: underline; }
.maas-lab .told { padding: 6px 10px; border-left: 4px solid var(--jp-border-color1, #9e9e9e); white-space: pre-wrap; }
.maas-lab .told.failed { border-color: var(--jp-error-color1, #d32f2f); }
.maas-lab .told.done { border-color: var(--jp-success-color1, #388e3c); }
</style>"""


class Message(HTML):
    """What became of the last action, in words, and announced by screen readers."""

    def working(self, text: str) -> None:
        """Say what goes on."""
        self.value = f'<div class="told" role="status">{escape(text)}</div>'

    def done(self, text: str) -> None:
        """Say what has been done."""
        self.value = f'<div class="told done" role="status"><b>Done:</b> {escape(text)}</div>'

    def failed(self, lines: Sequence[str]) -> None:
        """Say what failed, why, and what to try."""
        told = escape("\n".join(lines))
        self.value = f'<div class="told failed" role="alert"><b>Error.</b> {told}</div>'

    def clear(self) -> None:
        """Say nothing."""
        self.value = ""


class Panel(VBox):
    """A column of widgets; its text form, which notebooks store and compare, is the same in every run.

    Attributes:
        error: why the last action failed; None when it did not.
    """

    TEXT: ClassVar[str]

    def __init__(self, children: Sequence[Any], buttons: Sequence[Button]) -> None:
        super().__init__([HTML(STYLE, layout=Layout(display="none")), *children])
        self.add_class("maas-lab")
        self.error: LabError | None = None
        self._buttons = tuple(buttons)

    def __repr__(self) -> str:
        return self.TEXT

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        # ipywidgets cuts the text after 110 characters.
        return super()._repr_mimebundle_(**options) | {"text/plain": repr(self)}

    def _enable(self) -> None:
        """Enable the buttons that make sense now."""
        for button in self._buttons:
            button.disabled = False

    @contextmanager
    def _action(self, text: str, message: Message) -> Iterator[None]:
        """Do something on a click: no button meanwhile, and what fails is shown.

        Args:
            text: what goes on.
            message: where to show it.
        """
        self.error = None
        message.working(text)
        for button in self._buttons:
            button.disabled = True
        try:
            yield
        except LabError as error:
            self.error = error
            message.failed(error.lines())
        except BaseException as error:
            # A bug, or an interrupt: ipywidgets shows its traceback where the front end keeps logs.
            message.failed([f"{type(error).__name__} in the notebook's code", "  try: look at the log of the kernel"])
            raise
        finally:
            self._enable()


def button(text: str, about: str, style: str = "") -> Button:
    """Make a button that is as wide as its text; `about` says to a screen reader, and on hover, what it will do."""
    return Button(
        description=text, tooltip=about, button_style=style, layout=Layout(width="auto", align_self="flex-start")
    )


def beside(width: str = "36em", label: str = "11em") -> dict[str, Any]:
    """Return what makes a field as wide as its place, at most `width`, with its label beside it.

    Each field needs its own: a layout is a widget, and closed with the first that has it.
    """
    return {"style": {"description_width": label}, "layout": Layout(width=f"min(calc(100% - 4px), {width})")}


def offer(field: Dropdown, options: Sequence[tuple[str, str]]) -> None:
    """Offer options, pairs of label and value; the chosen one stays, if it is still there, else it is the first."""
    kept, values = field.value, [value for _, value in options]
    field.options = options
    field.value = kept if kept in values else next(iter(values), None)


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], nothing: str) -> str:
    """Return rows as an HTML table; numbers and money are to stand on the right.

    Args:
        caption: what the rows are.
        columns: their titles; one that begins with `>` is of numbers.
        rows: as many cells each.
        nothing: what to say where there are no rows.
    """
    if not rows:
        return f"<h4>{escape(caption)}</h4><p>{escape(nothing)}</p>"
    kinds = [' class="number"' if title.startswith(">") else "" for title in columns]
    head = _cells("th", [f'{kind} scope="col"' for kind in kinds], [title.lstrip(">") for title in columns])
    body = "".join(f"<tr>{_cells('td', kinds, row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, attributes: Sequence[str], texts: Sequence[Any]) -> str:
    cells = zip(attributes, texts, strict=True)
    return "".join(f"<{tag}{attribute}>{escape(str(text))}</{tag}>" for attribute, text in cells)


def facts(told: Mapping[str, str]) -> str:
    """Return names with what is to be said of them, in large letters, as an HTML list."""
    parts = (f"<div><dt>{escape(name)}</dt><dd>{escape(number)}</dd></div>" for name, number in told.items())
    return f"<dl>{''.join(parts)}</dl>"
