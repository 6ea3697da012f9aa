"""What tests of the portal's pages do as people do, and what they read off a page."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect


def enter(page: Page, site: str, session: str, view: str) -> None:
    """Open a view as somebody who has logged in already."""
    page.goto(site)
    path = urlsplit(site).path
    page.evaluate("([path, session]) => sessionStorage.setItem(`maas-portal ${path}`, session)", [path, session])
    page.reload()
    go(page, site, view)


def go(page: Page, site: str, view: str) -> None:
    """Open another view."""
    page.goto(f"{site}#/{view}")
    settled(page)


def settled(page: Page) -> None:
    """Wait until the view is there."""
    expect(page.locator(".view:not([aria-busy])")).to_be_visible()


def create(page: Page, name: str, model: str = "tiny") -> None:
    """Fill the form of a new application and send it."""
    page.get_by_label("Name").fill(name)
    page.get_by_role("checkbox", name=model).check()
    page.get_by_role("button", name="Create application").click()


def copied(page: Page, what: str) -> str:
    """Press a copy button and return what is in the clipboard then."""
    box = page.locator(".copyable").filter(has=page.get_by_label(what, exact=True))
    box.get_by_role("button", name=f"Copy the {what}").click()
    expect(box.get_by_role("status")).to_have_text("Copied.")
    return page.evaluate("navigator.clipboard.readText()")


def row(page: Page, name: str) -> Locator:
    """Return the row of a table whose first cell says this."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def cells(found: Locator) -> dict[str, str]:
    """Return what the cells of a row say, by their columns."""
    expect(found).to_be_visible()
    told = found.get_by_role("cell").all()
    return {one.get_attribute("data-title"): one.inner_text().strip() for one in told}


def tiles(page: Page, section: str) -> dict[str, str]:
    """Return the large numbers of a section, by their names."""
    part = page.locator("section").filter(has=page.get_by_role("heading", name=section))
    return {one.locator("dt").inner_text(): one.locator("dd").inner_text() for one in part.locator(".tile").all()}


def number(text: str) -> float:
    """Read the number that a text begins with, such as `$1,234.50`."""
    return float(text.split("\n")[0].strip("$").replace(",", ""))


def said(page: Page) -> Locator:
    """Return what the page says has worked."""
    return page.locator("#status")


def complained(page: Page) -> Locator:
    """Return what the page says has failed."""
    return page.locator("#alert")
