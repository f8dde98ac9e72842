"""What looks at our pages sees what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser, Visit, check_page

GOOD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root{color-scheme:light dark} .scrolls{overflow-x:auto} .scrolls div{width:9000px}
</style><main><h1>A page</h1><div class="scrolls" tabindex="0"><div>wide</div></div>MORE</main></html>"""

BAD = {
    "console": "<script>console.error('no')</script>",
    "requests": "<img src='http://127.0.0.1:9/none.png' alt='none'>",
    "overflow at 400 px": "<p style='width:1700px'>wide</p>",
    "axe, light, 400 px": "<p style='color:#999;background:#fff'>dim</p>",
    "axe, dark, 1600 px": "<p style='color:#333;background:Canvas'>dim in the dark</p>",
}


@pytest.mark.full
def test_each_defect_of_a_page_is_seen(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(GOOD.replace("MORE", "<button onclick=\"this.textContent='done'\">go</button>"))
    check_page(browser, page)

    def click(visit: Visit) -> str | None:
        visit.page.get_by_role("button").click()
        return visit.page.get_by_role("button").text_content()

    assert browser.visit(page, click) == "done"
    page.write_text(GOOD.replace("MORE", "".join(BAD.values())))
    with pytest.raises(AssertionError) as raised:
        check_page(browser, page)
    assert [name for name in BAD if f"'{name}'" not in str(raised.value)] == []
