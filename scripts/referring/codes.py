"""The pages of codes and exit codes, from the tree of errors and the registry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

from referring.markdown import code, first_sentence, page, table

import envkit.models.codes
from envkit.errors import EXIT_CODES, EnvkitError
from envkit.models.fact import REGISTRY, Code
from envkit.words.cures import CURES

__all__ = ["codes_page", "errors", "exit_codes_page"]

_BUG = (
    "`bug`",
    "70",
    "envkit",
    "Something that envkit did not expect; stderr has more.",
    "Report it with these lines.",
)


def errors(cls: type[EnvkitError] = EnvkitError) -> Iterator[type[EnvkitError]]:
    """List the classes of errors that are raised, each before those below it."""
    for below in cls.__subclasses__():
        if below.__module__ == EnvkitError.__module__:
            yield below
            yield from errors(below)


def codes_page() -> str:
    """Return the page of codes."""
    for module in pkgutil.iter_modules(envkit.models.codes.__path__):
        importlib.import_module(f"envkit.models.codes.{module.name}")
    rows = [*((code(e.code), str(e.exit_code), e.blames, first_sentence(e), e.cure) for e in errors()), _BUG]
    return page(
        "codes",
        errors=table(("code", "exit", "blames", "meaning", "what to do"), rows),
        **{kind: _of_kind(sorted(codes.values())) for kind, codes in REGISTRY.items()},
        **{f"finding_{blames}": _findings(blames) for blames in ("environment", "host", None)},
    )


def _findings(blames: str | None) -> str:
    codes = sorted(found for found in REGISTRY["finding"].values() if found.blames == blames)
    return table(("code", "meaning", "what to do"), ((code(c), c.meaning, _cure(c)) for c in codes))


def _cure(finding: Code) -> str:
    """Return the cure of a finding, with names in capitals; a cure that depends on more than blame is the hint's."""
    saying = CURES[finding]
    if not isinstance(saying, str):
        needed = [name for name, item in inspect.signature(saying).parameters.items() if item.default is item.empty]
        if needed not in ([], ["blames"]):
            return "It depends: see the finding's `hint`."
        blamed = (finding.blames,) if finding.blames else ("environment", "host")
        texts = {blames: saying(**dict.fromkeys(needed, blames)) for blames in blamed}
        alike = len(set(texts.values())) == 1
        saying = texts[blamed[0]] if alike else " ".join(f"*{blames}*: {text}" for blames, text in texts.items())
    return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), saying)


def _of_kind(codes: list[Code]) -> str:
    if any(c.blames for c in codes):
        return table(("code", "blames", "meaning"), ((code(c), c.blames or "", c.meaning) for c in codes))
    return table(("code", "meaning"), ((code(c), c.meaning) for c in codes))


def exit_codes_page() -> str:
    """Return the page of exit codes."""
    with_code = {number: [code(e.code) for e in errors() if e.exit_code == number] for number in EXIT_CODES}
    with_code[EnvkitError.exit_code] = ["`bug`"]
    rows = ((str(number), text, ", ".join(with_code[number])) for number, text in EXIT_CODES.items())
    return page("exit-codes", exit_codes=table(("exit", "meaning", "errors"), rows))
