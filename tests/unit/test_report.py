"""Reports: verdict, figures, what may be published, the page, and where they are kept."""

from __future__ import annotations

import html.parser
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pictures
import pytest
from browser import Browser, check_page
from mounts import mounted

from envkit.api.publish import check_publishable
from envkit.cuda.peaks import peak_of
from envkit.errors import TamperedError
from envkit.host.wire import host_to_json
from envkit.layout import validations
from envkit.layout.volume import Volume
from envkit.models.codes import frameworks
from envkit.models.codes.driver import DRIVER_MISMATCH, STEP_DONE
from envkit.models.codes.files import FILES_SOUND
from envkit.models.fact import Fact
from envkit.models.host import Gpu, Host
from envkit.models.listing import EnvironmentInfo, ProfileState
from envkit.models.manifest import PastValidation, ValidationRecord
from envkit.models.outcome import Outcome
from envkit.models.report import Finding, Recorded, Report
from envkit.models.results import ValidateResult
from envkit.models.version import ComputeCapability, CudaVersion, DriverVersion
from envkit.pages.environment import environment_page
from envkit.pages.validation import validation_page
from envkit.profiles import Profile
from envkit.wire.results import finding_from_json, finding_json, validate_json
from envkit.words.values import figure_words

COMPUTED = Finding(
    "driver.vadd",
    "pass",
    Fact(STEP_DONE, where="x", check="vadd", about={}),
    data={"gpu": True, "figures": {"vadd_bytes_per_s": 2e12}},
)
FILES = Finding("files", "pass", Fact(FILES_SOUND, files=1, full=True))
NO_GPU = Finding("driver.library", "skip", Fact(frameworks.NO_GPU))
HOST_FAULT = Finding("driver.init", "fail", Fact(DRIVER_MISMATCH))
BROKEN = Finding("import torch", "fail", Fact(frameworks.IMPORT_FAILED, module="torch", error="boom"))


def report(*findings: Finding, needs_gpu: bool = True) -> Report:
    return Report("/e/g/t-1", "f" * 12, needs_gpu=needs_gpu, findings=findings, created="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("made", "require_gpu", "code"),
    [
        (report(FILES, COMPUTED), False, None),
        (report(FILES, COMPUTED), True, None),
        (report(FILES, NO_GPU), False, None),
        (report(FILES, NO_GPU), True, "not-on-gpu"),
        (report(FILES, HOST_FAULT), False, None),
        (report(FILES, HOST_FAULT), True, "not-on-gpu"),
        (report(COMPUTED, HOST_FAULT), True, "not-on-gpu"),
        (report(BROKEN, HOST_FAULT), False, "validation-failed"),
        (report(BROKEN, COMPUTED), True, "validation-failed"),
        (report(FILES, needs_gpu=False), False, None),
        (report(FILES, needs_gpu=False), True, "not-on-gpu"),
        (None, False, None),
        (None, True, "not-on-gpu"),
    ],
)
def test_what_is_published(made: Report | None, require_gpu: bool, code: str | None) -> None:
    refusal = check_publishable("t", made, require_gpu=require_gpu)
    assert (refusal.code if refusal else None) == code
    assert refusal is None or refusal.hint


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("matmul_flop_per_s", 9.95e11, ("matmul", "995 GFLOP/s")),
        ("matmul_bfloat16_flop_per_s", 7.6e14, ("matmul bfloat16", "760 TFLOP/s")),
        ("host_to_device_bytes_per_s", 2.5e10, ("host to device", "25 GB/s")),
        ("context_s", 0.123, ("context", "123 ms")),
        ("context_s", 2.0, ("context", "2 s")),
        ("context_s", 0.0, ("context", "0 s")),
        ("speed", 3.0, ("speed", "3")),
    ],
)
def test_figures_in_words(name: str, value: float, text: tuple[str, str]) -> None:
    assert figure_words(name, value) == text


HOSTILE = "</td><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


class Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_finding_that_is_read_back_says_what_it_said() -> None:
    for finding in (COMPUTED, NO_GPU, HOST_FAULT, BROKEN):
        document = finding_json(finding)
        assert finding_json(finding_from_json(document)) == document


def hostile_page() -> str:
    words, data = Recorded(HOSTILE, HOSTILE), {"figures": {HOSTILE + "_s": 1.0}}
    finding = Finding(HOSTILE, "fail", words, HOSTILE, "environment", data)
    host = Host("linux-64", gpus=(Gpu(HOSTILE, ComputeCapability(9, 0)),), container=HOSTILE, nvidia_traces=(HOSTILE,))
    record = ValidationRecord(
        verdict="pass",
        created=HOSTILE,
        generation="t-1",
        fingerprint=HOSTILE,
        host={"driver_version": HOSTILE, "gpus": [{"name": HOSTILE}]},
    )
    past = PastValidation(verdict="pass", created=HOSTILE)
    return validation_page(ValidateResult(report(finding), host, HOSTILE, None, ((past, record),)))


def test_a_page_with_hostile_names_holds_only_text() -> None:
    text = hostile_page()
    page = Page()
    page.feed(text)
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "section", "table", "thead"),
        *("tbody", "tr", "th", "td", "span", "em", "code", "footer", "div", "ul", "li", "svg", "rect"),
    }
    assert page.attributes <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "scope", "role", "aria-label", "tabindex"),
        *("viewbox", "preserveaspectratio", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "rx"),
    }
    assert page.text.count(HOSTILE) >= 10
    assert "http://" not in text
    assert "https://" not in text


def test_a_page_can_be_read_by_everybody(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(hostile_page())
    check_page(browser, tmp_path / "page.html")


def test_a_page_says_what_was_found_where() -> None:
    host = Host(
        "linux-64",
        driver_version=DriverVersion.parse("570.86.10"),
        driver_cuda=CudaVersion(12, 8),
        gpus=(Gpu("NVIDIA H100", ComputeCapability(9, 0)),),
    )
    page = Page()
    page.feed(validation_page(ValidateResult(report(COMPUTED, HOST_FAULT), host, "train")))
    for words in (
        "NVIDIA H100 (9.0)",
        "570.86.10",
        "of different versions",
        "Reboot",
        "2 TB/s",
        "driver-mismatch",
    ):
        assert words in page.text


def test_the_page_of_an_environment_holds_only_text(browser: Browser, tmp_path: Path) -> None:
    rule = Profile("cpu", "t-00000001", "linux-64", machines=({"names": [HOSTILE], "target": {}},))
    info = EnvironmentInfo(HOSTILE, f"/{HOSTILE}", "/envs/.envkit/g/t-1", 5_000_000, problem=HOSTILE)
    info = replace(info, profiles=(ProfileState(rule, info, is_main=True, here=False),))
    text = environment_page(info, created="now")
    page = Page()
    page.feed(text)
    assert page.text.count(HOSTILE) >= 4
    assert "img" not in page.tags
    assert text.count("<script>") == 1
    (tmp_path / "page.html").write_text(text)
    check_page(browser, tmp_path / "page.html")


def test_the_page_of_an_environment_lists_its_profiles() -> None:
    rules = (
        Profile("gpu", "t-00000001", "linux-64", gpu=True, driver="580.65.06", capabilities=("7.5", "10.0")),
        Profile("cpu", "t-00000002", "linux-64", gpu=False, glibc="2.28", machines=_machines("login", "ci")),
    )
    outcome = Outcome("pass", "2026-11-26", "f" * 12, {"driver_version": "580"})
    infos = [EnvironmentInfo("t", "/e/t", f"/e/.envkit/g/{rule.generation}", 3_000_000) for rule in rules]
    states = (
        ProfileState(rules[0], replace(infos[0], validated=outcome), is_main=True, here=False),
        ProfileState(rules[1], infos[1], is_main=False, here=True),
    )
    page = Page()
    page.feed(environment_page(replace(infos[0], profile="gpu", profiles=states), created="now"))
    rows = [row.strip() for row in page.text.partition("sizevalidated")[2].split("\n")]
    assert [row for row in rows if row][:2] == [
        "gpu linklinux-64, driver 580.65.06, compute capability 7.5, 10.03.0 MBpass 2026-11-26 (driver 580, no GPU)",
        "cpu this machinelogin, cilinux-64, glibc 2.28, no GPU3.0 MBnever",
    ]


def _machines(*names: str) -> tuple[Mapping[str, Any], ...]:
    return ({"names": list(names), "target": {"subdir": "linux-64"}},)


def test_figures_stand_beside_the_peak_of_their_gpu() -> None:
    figures = {"device_copy_bytes_per_s": 2.68e12, "matmul_float32_flop_per_s": 33.5e12, "context_s": 0.2}
    computed = Finding("driver.kernel", "pass", Recorded("computed", None), data={"figures": figures, "gpu": True})
    gpu = Gpu("NVIDIA H100 80GB HBM3", ComputeCapability(9, 0))
    page = Page()
    page.feed(validation_page(ValidateResult(report(computed), Host("linux-64", gpus=(gpu,)), "train")))
    assert "80 % of 3.35 TB/s" in page.text
    assert "50 % of 67 TFLOP/s" in page.text
    assert peak_of("NVIDIA H100 80GB HBM3", "context_s") is None
    assert peak_of("NVIDIA H100 NVL", "device_copy_bytes_per_s") is None


def test_a_page_can_be_made_of_the_document() -> None:
    """So that the README's picture shows a machine that the picture is not taken on."""
    host = Host("linux-64", gpus=(Gpu("NVIDIA H100 80GB HBM3", ComputeCapability(9, 0)),))
    result = ValidateResult(report(COMPUTED, FILES), host, "train")
    document = json.loads(json.dumps(validate_json(result, host_to_json(host))))
    assert pictures.report_page(document) == validation_page(result)


def record(verdict: str, created: str, fingerprint: str = "a" * 12) -> ValidationRecord:
    return ValidationRecord.from_json(
        {"generation": "t-1", "fingerprint": fingerprint, "verdict": verdict, "created": created}
    )


def test_history_of_a_generation(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    for verdict, created, fingerprint in (
        ("pass", "2026-01-01", "a"),
        ("skip", "2026-01-02", "b"),
        ("fail", "2026-01-03", "a"),
    ):
        assert validations.write_validation(volume, record(verdict, created, fingerprint * 12)) is not None
    kept = validations.read_validation(volume, "t-1", "a" * 12)
    assert kept is not None
    assert (kept.verdict, [past.verdict for past in kept.history]) == ("fail", ["pass"])
    past = validations.past_validations(volume, "t-1")
    assert [(entry.verdict, entry.created) for entry, _ in past] == [
        ("fail", "2026-01-03"),
        ("skip", "2026-01-02"),
        ("pass", "2026-01-01"),
    ]
    passed = validations.last_pass(volume, "t-1")
    assert passed is not None
    assert (passed[0], passed[1].fingerprint) == ("2026-01-01", "a" * 12)
    assert validations.last_pass(volume, "t-2") is None
    latest = validations.latest_validation(volume, "t-1")
    assert latest is not None
    assert latest.created == "2026-01-03"
    # The same outcome written again, with another quick token, is one validation.
    validations.add_token(volume, kept, "token")
    assert len(validations.past_validations(volume, "t-1")) == 3


def test_a_volume_that_takes_no_writes(tmp_path: Path, isolation: Path) -> None:
    volume = Volume(tmp_path / "envs")
    volume.private.mkdir(parents=True)
    volume.validations.symlink_to("/sys/kernel")
    with pytest.raises(TamperedError, match="validations"):
        validations.write_validation(volume, record("pass", "2026-01-01"))
    volume.validations.unlink()
    with mounted(volume.validations, "-t", "tmpfs", "-o", "ro", "tmpfs"):  # refused for root, too
        path = validations.write_validation(volume, record("pass", "2026-01-01"))
    assert path is not None
    assert path.is_relative_to(isolation / ".cache" / "envkit" / "validations")
    assert json.loads(path.read_bytes())["verdict"] == "pass"
    kept = validations.read_validation(volume, "t-1", "a" * 12)
    assert kept is not None
    assert kept.verdict == "pass"
    assert [entry.verdict for entry, _ in validations.past_validations(volume, "t-1")] == ["pass"]
