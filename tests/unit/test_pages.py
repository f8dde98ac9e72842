"""The frame of HTML pages: what comes in as text stays text, and only our own script runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser, Visit, check_page

from envkit.pages import frame

HOSTILE = "<script>document.title='owned'</script>\x1b[31m\u202e'\"&"


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Templates of ours besides the shipped ones."""
    for source in frame._TEMPLATES.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(frame, "_TEMPLATES", tmp_path)
    monkeypatch.setattr(frame, "_environment", frame._environment.__wrapped__)
    monkeypatch.setattr(frame, "_read", frame._read.__wrapped__)
    (tmp_path / "one.html").write_text('{% extends "frame.html" %}{% block content %}<h1>{{ said }}</h1>{% endblock %}')
    return tmp_path


def test_only_the_script_of_the_page_runs(templates: Path, browser: Browser, tmp_path: Path) -> None:
    (templates / "one.js").write_text("document.querySelector('h1').dataset.ran = 'yes' // <script>")
    page = tmp_path / "page.html"
    page.write_text(frame.render_page("one.html", title="One", created="now", script="one.js", said=HOSTILE))

    def look(visit: Visit) -> tuple[str, str | None, str | None]:
        heading = visit.page.get_by_role("heading")
        return visit.page.title(), heading.get_attribute("data-ran"), heading.text_content()

    assert browser.visit(page, look) == ("One", "yes", HOSTILE.replace("\x1b", "�").replace("\u202e", "�"))
    check_page(browser, page)
    page.write_text(page.read_text().replace("= 'yes'", "= 'other'"))
    assert browser.visit(page, look)[1] is None


@pytest.mark.usefixtures("templates")
def test_a_value_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(Exception, match="'said' is undefined"):
        frame.render_page("one.html", title="One", created="now")


def test_words_in_backticks_are_code() -> None:
    assert frame._code("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"
    assert frame._code("a ` alone") == "a ` alone"
