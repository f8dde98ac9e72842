"""The help of commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from envkit.cli.commands import COMMANDS, GROUPS, commands_of, function_of, has_function, summary_of
from envkit.cli.examples import EXAMPLES
from envkit.cli.grammar import Parameter, parameters_of
from envkit.cli.terminal import draws_boxes, has_styles, styled, terminal_width
from envkit.errors import EXIT_CODES
from envkit.tuples import NamedTuple

ABOUT = (
    "Conda environments for GPUs: the build that runs on this driver and GPU, on a volume that stays, proven by a "
    "kernel."
)
_SHORT_CODES = ", ".join(
    f"{code} {text.partition(':')[0].partition('(')[0].strip()}"
    for code, text in EXIT_CODES.items()
    if code < 128  # of signals
)
_EPILOG = f"Exit codes: {_SHORT_CODES}. See `envkit help` for these, codes, JSON documents, files and variables."
_SUMMARIES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "reference", "commands.txt")
_LEAST = 30  # columns beside the names; with less, the text goes below
_KINDS = {str: "TEXT", int: "N", float: "X"}


class _Entry(NamedTuple):
    """A line of a panel: an option, an argument or a command."""

    name: str
    short: str = ""
    value: str = ""
    text: str = ""
    required: bool = False


_HELP = _Entry("--help", "-h", text="Show this message and exit.")
_TOP = (
    _Entry("--version", "-V", text="Show the version."),
    _Entry("--install-completion", value="[SHELL]", text="Install completion, for the current shell or another."),
    _Entry("--show-completion", value="[SHELL]", text="Print the completion, to copy or change it."),
    _HELP,
)


def summaries() -> str:
    """Return the commands and what each does, a line each: what `envkit --help` reads instead of loading them."""
    return "".join(f"{path}\t{summary_of(path)}\n" for path in COMMANDS)


def program_help() -> str:
    """Return what `envkit --help` prints."""
    with open(_SUMMARIES, encoding="utf-8") as file:
        lines = file.read().splitlines()
    commands = [_Entry(name, text=text) for name, _, text in (line.partition("\t") for line in lines)]
    page = _Page()
    page.usage("envkit", "[OPTIONS] COMMAND [ARGS]...")
    page.paragraphs(ABOUT)
    page.panel("Options", _TOP)
    page.panel("Commands", commands)
    page.paragraphs(_EPILOG, before=True)
    return page.text


def command_help(path: str) -> str:
    """Return what `envkit COMMAND --help` prints."""
    parameters = parameters_of(function_of(path)) if has_function(path) else ()
    page = _Page()
    arguments = [_usage_word(p) for p in parameters if p.declared.is_argument and not p.declared.hidden]
    tail = ["COMMAND", "[ARGS]..."] if path in GROUPS else arguments
    page.usage(f"envkit {path}", " ".join(["[OPTIONS]", *tail]))
    page.paragraphs((function_of(path).__doc__ or "") if has_function(path) else GROUPS[path])
    panels: dict[str, list[_Entry]] = {"Arguments": [], "Options": []}
    for parameter in parameters:
        if not parameter.declared.hidden:
            panels.setdefault(parameter.declared.panel, []).append(_entry(parameter))
    panels["Options"].append(_HELP)
    for title, entries in panels.items():
        page.panel(title, entries)
    page.panel("Commands", [_Entry(p.partition(" ")[2], text=summary_of(p)) for p in commands_of(path)])
    page.examples(EXAMPLES.get(path, ()))
    return page.text


def _usage_word(parameter: Parameter) -> str:
    name = parameter.declared.metavar or parameter.name.upper()
    word = name if parameter.required or name.startswith("[") else "[" + name + "]"
    return f"{word}..." if parameter.many and not word.endswith("...") else word


def _entry(parameter: Parameter) -> _Entry:
    declared = parameter.declared
    value = "" if parameter.kind is bool else declared.metavar or _KINDS.get(parameter.kind, "PATH")
    default = declared.show_default
    if default is None and parameter.kind is not bool and parameter.default not in {None, ""}:
        default = f"{parameter.default:g}" if parameter.kind is float else str(parameter.default)
    text = f"{declared.help} [default: {default}]" if default is not None else declared.help
    if declared.is_argument:
        return _Entry(value, text=text, required=parameter.required)
    short = [flag for flag in parameter.flags if len(flag) == 2]
    names = [flag for flag in parameter.flags if len(flag) > 2]
    return _Entry(",".join(names), ",".join(short), value, text, parameter.required)


class _Page:
    """A help text that grows."""

    def __init__(self) -> None:
        self.text = "\n"
        self._width = max(terminal_width(), 12)
        self._has_styles = has_styles(sys.stdout)
        self._box = "╭─╮│╰╯" if draws_boxes(sys.stdout) else "+-+|++"

    def _styled(self, text: str, style: str) -> str:
        return styled(text, style) if self._has_styles else text

    def usage(self, command: str, rest: str) -> None:
        """Add how the command is called."""
        first, *more = wrapped(f"Usage: {command} {rest}", self._width - 2)
        lines = [self._styled("Usage:", "bold") + first[len("Usage:") :], *more]
        self.text += "".join(f" {line}\n" for line in lines) + "\n"

    def paragraphs(self, text: str, *, before: bool = False) -> None:
        """Add paragraphs, which blank lines part."""
        parts = text.strip().split("\n\n")
        blocks = ["".join(f" {line}\n" for line in wrapped(part, self._width - 2)) for part in parts]
        self.text += "\n" * before + "\n".join(blocks) + "\n" * (not before)

    def panel(self, title: str, entries: Sequence[_Entry]) -> None:
        """Add a box with entries."""
        if not entries:
            return
        left, line, right, side, low_left, low_right = (self._styled(c, "dim") for c in self._box)
        inner = self._width - 4
        rule = line * max(0, self._width - 5 - len(title))
        rows = [f"{left}{line} {title} {rule}{right}"]
        for shown, length in self._rows(entries, inner):
            rows.append(f"{side} {shown}{' ' * (inner - length)} {side}")
        rows.append(low_left + line * (self._width - 2) + low_right)
        self.text += "".join(f"{row}\n" for row in rows)

    def _rows(self, entries: Sequence[_Entry], width: int) -> Iterable[tuple[str, int]]:
        """Return the lines within a box, and how long each is without its escapes."""
        names = max(len(entry.name) for entry in entries)
        shorts = max(len(entry.short) for entry in entries)
        values = max(len(entry.value) for entry in entries)
        mark = 2 if any(entry.required for entry in entries) else 0
        gap, later = (2 if shorts else 0), (2 if values else 0)
        left = mark + names + gap + shorts + later + values + 2
        for entry in entries:
            head = (
                (self._styled("* ", "red") if entry.required else " " * mark)
                + self._styled(entry.name, "bold cyan") + " " * (names - len(entry.name) + gap)
                + self._styled(entry.short, "bold green") + " " * (shorts - len(entry.short) + later)
                + self._styled(entry.value, "yellow") + " " * (values - len(entry.value) + 2)
            )  # fmt: skip
            if width - left >= _LEAST:
                for number, line in enumerate(wrapped(entry.text, width - left) or [""]):
                    yield (head if not number else " " * left) + line, left + len(line)
                continue
            plain = " ".join(filter(None, ("* " * entry.required + entry.name, entry.short, entry.value)))
            for line in wrapped(plain, width):
                yield self._styled(line, "bold cyan"), len(line)
            for line in wrapped(entry.text, width - 2):
                yield f"  {line}", 2 + len(line)

    def examples(self, examples: Sequence[str]) -> None:
        """Add examples, each on a line of its own to copy."""
        if examples:
            self.text += "\n Examples:\n" + "".join(f"   {example}\n" for example in examples)


def wrapped(text: str, width: int) -> list[str]:
    """Return text as lines of at most so many characters, broken between words; a longer word is cut."""
    lines: list[str] = []
    current = ""
    for whole in text.split():
        word = whole
        if current and len(current) + 1 + len(word) <= width:
            current += f" {word}"
            continue
        if current:
            lines.append(current)
        while len(word) > width:
            lines.append(word[:width])
            word = word[width:]
        current = word
    return [*lines, current] if current else lines
