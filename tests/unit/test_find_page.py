"""The page of ``find --html``: the machine that is chosen in it gets the verdicts that `find` gives it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Visit, check_page

from envkit.builds.classify import classify
from envkit.checks.verdict import judge_all
from envkit.cuda.target import describe_target
from envkit.models.build import Record
from envkit.models.host import Target
from envkit.models.request import Request
from envkit.models.results import FindResult
from envkit.pages.find import find_page
from envkit.plan.everywhere import offered_branches, offered_gpus
from envkit.plan.matrix import make_matrix

HOSTILE = "</script><img src=x onerror=alert(1)>"
CHANNEL = "https://example.org/pytorch"


def record(version: str, build: str, *depends: str) -> Record:
    fn = f"pytorch-{version}-{build}.conda"
    return Record(
        name="pytorch", version=version, build=build, build_number=0, subdir="linux-64", fn=fn, channel=CHANNEL,
        url=f"{CHANNEL}/linux-64/{fn}", depends=depends,
    )  # fmt: skip


def found(*more: Record) -> FindResult:
    records = [
        record("2.5.1", "py3.11_cuda12.4_cudnn9.1.0_0", "python >=3.11,<3.12.0a0", "pytorch-cuda >=12.4,<12.5"),
        record("2.5.1", "py3.11_cuda12.1_cudnn9.1.0_0", "python >=3.11,<3.12.0a0", "pytorch-cuda >=12.1,<12.2"),
        record("2.5.1", "py3.11_cpu_0", "python >=3.11,<3.12.0a0"),
        record("2.0.1", "py3.11_cuda11.7_cudnn8.5.0_0", "python >=3.11,<3.12.0a0", "pytorch-cuda >=11.7,<11.8"),
        record("1.7.1", "py3.8_cuda10.2.89_cudnn7.6.5_0", "python >=3.8,<3.9.0a0", "cudatoolkit >=10.2,<10.3"),
        *more,
    ]
    target = describe_target(Target("linux-64", glibc="2.36"), no_gpu=True)
    verdicts = judge_all([classify(one) for one in records], target)
    return FindResult(
        request=Request(specs=("pytorch",)), target=target, channels=("pytorch",), builds=tuple(verdicts),
        matrix=make_matrix(verdicts), pick=verdicts[2],
    )  # fmt: skip


def data_of(page: str) -> dict[str, Any]:
    text = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    document: dict[str, Any] = json.loads(text[1])
    return document


@pytest.mark.parametrize(("gpu", "driver"), [("V100", 535), ("H100", 580), ("H100", 460), ("GeForce RTX 5090", 570)])
def test_each_machine_gets_the_verdicts_of_find(gpu: str, driver: int) -> None:
    result = found()
    document = data_of(find_page(result, created="now"))
    named = [index for index, (_, names) in enumerate(offered_gpus()) if gpu in names]
    place = 1 + named[0] * len(offered_branches()) + offered_branches().index(driver)
    shown = [document["verdicts"][number] for number in document["machines"][place]]
    target = describe_target(Target("linux-64", glibc="2.36"), driver=str(driver), gpus=(gpu,))
    again = make_matrix(judge_all([v.build for v in result.builds], target))
    expected = [cells[column] for _, cells in again.rows for column in again.columns if column in cells]
    assert [document["tiers"][tier][0] for tier, _, _ in shown] == [cell.tier.value for cell in expected]
    assert [document["builds"][build] for _, build, _ in shown] == [cell.best.build.record.build for cell in expected]


def test_the_page_shows_the_chosen_machine_and_the_reasons(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(find_page(found(record("2.5.1", HOSTILE)), created="now"))

    def look(visit: Visit) -> tuple[list[str], str, int]:
        opened = visit.page
        labels = opened.locator("#gpu option").all_inner_texts()
        opened.select_option("#gpu", label=next(label for label in labels if "V100" in label))
        opened.select_option("#driver", label="535")
        opened.get_by_role("button", name="2.0.1, CUDA 11.7").press("Enter")
        letters = opened.locator("button.tier").all_inner_texts()
        told = opened.get_by_role("status").inner_text()
        opened.locator("#version").fill("1.7")
        return letters, told, opened.locator("#matrix tbody tr:visible").count()

    letters, told, rows = browser.visit(page, look)
    assert letters[:2] == ["m", "N"]
    assert told.startswith("2.0.1, CUDA 11.7: native.")
    assert "py3.11_cuda11.7_cudnn8.5.0_0" in told
    assert rows == 1
    check_page(browser, page)
