"""A headless Chromium that opens pages of envkit and tells what is wrong with them.

`check_page` is what most tests need; `Browser.visit` clicks. Playwright's objects belong to one thread, and its event
loop would be in the way of others, so all of it runs in a thread of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import axe_playwright_python
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

T = TypeVar("T")
Scheme = Literal["light", "dark"]

WIDTHS = (400, 1600)
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LIMIT_MS = 20_000
# Of the page as a whole, and of what sticks out of it although nothing can be scrolled there.
_OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = node => node && node !== document.documentElement
        && (['auto', 'scroll'].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
    const found = [...document.body.querySelectorAll('*')].filter(node => {
        const box = node.getBoundingClientRect();
        return box.width > 1 && box.right > width + 1 && !scrolls(node.parentElement);
    });
    const wide = document.documentElement.scrollWidth - width;
    return [...found.map(node => node.outerHTML.slice(0, 120)), ...(wide > 1 ? [`the page: ${wide} px`] : [])];
}"""
_VIOLATIONS = """async () => (await axe.run()).violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.failureSummary} ${node.html.slice(0, 160)}`))"""


@dataclass
class Visit:
    """An open page, and what it has done so far.

    Attributes:
        errors: Errors and warnings of its console, and exceptions that nothing caught.
        requests: All that it asked for besides itself.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def overflow(self) -> list[str]:
        """Return the elements that are wider than the window."""
        return list(self.page.evaluate(_OVERFLOW))

    def violations(self) -> list[str]:
        """Return what axe-core finds, colour contrast included."""
        self.page.evaluate(_axe())
        return list(self.page.evaluate(_VIOLATIONS))


class Browser:
    """Chromium in a thread of its own."""

    def __init__(self, thread: ThreadPoolExecutor, chromium: Chromium) -> None:
        self._thread = thread
        self._chromium = chromium

    def visit(self, url: str | Path, use: Callable[[Visit], T], *, width: int = 1600, scheme: Scheme = "light") -> T:
        """Open a file or address and return what `use` returns; it may look and click, and must keep no object."""
        address = url.absolute().as_uri() if isinstance(url, Path) else url

        def work() -> T:
            context = self._chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            try:
                context.set_default_timeout(_LIMIT_MS)
                visit = Visit(context.new_page())
                _listen(visit, address)
                visit.page.goto(address)
                return use(visit)
            finally:
                context.close()

        return self._thread.submit(work).result()


def missing() -> str | None:
    """Why there can be no browser here."""
    return None if _program() else f"needs a browser: there is no {', '.join(_PROGRAMS)}"


@contextmanager
def start(home: Path) -> Iterator[Browser]:
    """Start Chromium with a home directory of its own."""
    with ThreadPoolExecutor(1, thread_name_prefix="browser") as thread, ExitStack() as stack:

        def begin() -> Chromium:
            chromium = stack.enter_context(sync_playwright()).chromium
            return chromium.launch(executable_path=_program(), env={"HOME": str(home)}, timeout=_LIMIT_MS)

        try:
            chromium = thread.submit(begin).result()
            yield Browser(thread, chromium)
            thread.submit(chromium.close).result()
        finally:
            thread.submit(stack.close).result()


def check_page(browser: Browser, url: str | Path, *, allowed: tuple[str, ...] = ()) -> None:
    """Check that a page opens without errors, asks for nothing, fits narrow and wide windows and is accessible.

    Args:
        allowed: Beginnings of addresses that it may load.
    """

    def look(visit: Visit) -> dict[str, list[str]]:
        found = {}
        for scheme, width in zip(SCHEMES, WIDTHS, strict=True):
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.page.emulate_media(color_scheme=scheme)
            found[f"overflow at {width} px"] = visit.overflow()
            found[f"axe, {scheme}, {width} px"] = visit.violations()
        asked = [address for address in visit.requests if not address.startswith(allowed or ("\0",))]
        return {**found, "console": visit.errors, "requests": asked}

    wrong = {name: listed for name, listed in browser.visit(url, look, width=WIDTHS[0]).items() if listed}
    assert not wrong, wrong


def _listen(visit: Visit, address: str) -> None:
    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            visit.errors.append(message.text)

    def asked(request: Request) -> None:
        if request.url != address and not request.url.startswith(("data:", "blob:")):
            visit.requests.append(request.url)

    visit.page.on("console", heard)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("request", asked)


def _program() -> str | None:
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


@cache
def _axe() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
