"""Command lines, read by the signatures of commands, in a millisecond.

What is wrong is answered in the words of typer, which takes a tenth of a second to load and only completes names
(`envkit.cli.typed`). A test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from envkit.annotations import evaluate
from envkit.cli.declared import Declared
from envkit.errors import UsageError
from envkit.tuples import NamedTuple

HELP = ("--help", "-h")


class Parameter(NamedTuple):
    """A parameter of a command."""

    name: str
    declared: Declared
    kind: type  # bool, str, int, float or Path
    many: bool
    required: bool
    default: Any

    @property
    def flags(self) -> tuple[str, ...]:
        """Return how an option is spelled."""
        return self.declared.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def quoted(self) -> str:
        """Return the parameter as errors name it."""
        if self.declared.is_argument:
            return f"'{self.declared.metavar}'"
        return " / ".join(f"'{flag}'" for flag in self.flags)

    @property
    def longest(self) -> str:
        """Return the name of an option that tells most."""
        return max(self.flags, key=len)


class Invocation(NamedTuple):
    """A command as it was called."""

    path: str  # volume share
    parameters: tuple[Parameter, ...]
    values: Mapping[str, Any]  # of the parameters that the command line has


@cache
def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Return the declared parameters of a command, in the order of its signature."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = function.__kwdefaults__ or {}
    found = []
    for name in names:
        annotation = function.__annotations__[name]
        if isinstance(annotation, str):
            annotation = evaluate(annotation, function.__globals__)
        declared = next(iter(getattr(annotation, "__metadata__", ())), None)
        if isinstance(declared, Declared):
            kind, many = _kind(annotation.__origin__)
            found.append(Parameter(name, declared, kind, many, name not in defaults, defaults.get(name)))
    return tuple(found)


def takes_call(function: Callable[..., Any]) -> bool:
    """Return whether a command asks how it was called."""
    return "call" in function.__annotations__


def _kind(annotation: Any) -> tuple[type, bool]:
    """Return the type of one value, and whether there may be several."""
    parts = [part for part in getattr(annotation, "__args__", ()) if part is not type(None)]
    origin = getattr(annotation, "__origin__", None)
    if origin is list:
        return parts[0], True
    return _kind(parts[0]) if parts else (annotation, False)


def parse(parameters: Sequence[Parameter], words: Sequence[str], *, interspersed: bool = True) -> dict[str, Any] | None:
    """Return the values that a command line gives; None if it asks for help, or holds words of another command.

    With `interspersed` off, everything after the first argument is an argument, and may be too much.

    Raises:
        UsageError: The command line is wrong, or an option's own parser refuses its value.
    """
    split = _split(parameters, words, interspersed=interspersed)
    if split.helps:
        return None
    arguments = [p for p in parameters if p.declared.is_argument]
    positional, spare = _placed(arguments, split.arguments)
    values: dict[str, Any] = {}
    by_name = {parameter.name: parameter for parameter in parameters}
    for name, texts in {**split.options, **positional}.items():
        parameter = by_name[name]
        if parameter.kind is bool:
            values[name] = True
            continue
        read = [_value(parameter, text) for text in (texts if parameter.many else texts[-1:])]
        values[name] = read if parameter.many else read[0]
    for parameter in (*arguments, *parameters):
        if parameter.required and parameter.name not in values:
            kind = "argument" if parameter.declared.is_argument else "option"
            raise UsageError(f"Missing {kind} {parameter.quoted}.")
    if spare and not interspersed:
        return None
    if spare:
        raise UsageError(f"Got unexpected extra argument(s) ({' '.join(spare)})")
    return values


def asks_help(parameters: Sequence[Parameter], words: Sequence[str], *, interspersed: bool = True) -> bool:
    """Return whether a command line has the option for help, and no option that is not known."""
    try:
        return _split(parameters, words, interspersed=interspersed).helps
    except UsageError:
        return False


def unknown_option(word: str, known: Iterable[str]) -> UsageError:
    """Return the error of an option that there is not, with those that are spelled alike."""
    import difflib

    alike = sorted(difflib.get_close_matches(word, [flag for flag in known if flag.startswith("--")]))
    meant = f" (Possible options: {', '.join(alike)})" if alike and word.startswith("--") else ""
    return UsageError(f"No such option: {word}{meant}")


def unknown_command(word: str, known: Iterable[str]) -> UsageError:
    """Return the error of a command that there is not, with those that are spelled alike."""
    import difflib

    alike = ", ".join(map(repr, difflib.get_close_matches(word, list(known))))
    return UsageError(f"No such command {word!r}.{f' Did you mean {alike}?' if alike else ''}")


class _Split(NamedTuple):
    """The words of a command line: the values of each option in order, and the arguments."""

    options: dict[str, list[str]]
    arguments: list[str]
    helps: bool


def _split(parameters: Sequence[Parameter], words: Sequence[str], *, interspersed: bool) -> _Split:
    known = {flag: p for p in parameters if not p.declared.is_argument for flag in p.flags}
    options: dict[str, list[str]] = {}
    arguments: list[str] = []
    helps = False
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            arguments.append(word)
            if interspersed:
                continue
            break
        if word in HELP:
            helps = True
            continue
        is_long = word[1] == "-"
        flag, equals, value = word.partition("=") if is_long else (word[:2], "", word[2:])
        parameter = known.get(flag)
        if parameter is None:
            if flag in HELP and not is_long:  # with others in one word: -hd
                helps = True
                rest.append(f"-{value}")
                continue
            raise unknown_option(flag, [*known, *HELP])
        if parameter.kind is bool:
            if equals:
                raise UsageError(f"Option {flag!r} does not take a value.")
            options.setdefault(parameter.name, [])
            if value.startswith("-"):
                raise unknown_option("--", ())
            if value:
                rest.append(f"-{value}")  # more flags in one word: -dy
            continue
        if not (equals or value):
            if not rest:
                raise UsageError(f"Option {flag!r} requires an argument.")
            value = rest.pop()
        options.setdefault(parameter.name, []).append(value)
    return _Split(options, [*arguments, *reversed(rest)], helps)


def _placed(parameters: Sequence[Parameter], words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the words of each argument that has any, and those that are too many."""
    rest = list(words)
    placed: dict[str, list[str]] = {}
    for parameter in parameters:
        if not rest:
            break
        placed[parameter.name] = rest if parameter.many else rest[:1]
        rest = [] if parameter.many else rest[1:]
    return placed, rest


def _value(parameter: Parameter, text: str) -> Any:
    """Return the value of a text.

    Raises:
        UsageError: It has none.
    """
    if parameter.declared.parser is not None:
        return parameter.declared.parser(text)
    try:
        # Python takes the digits of every script.
        value = parameter.kind(text if text.isascii() or parameter.kind not in {int, float} else "")
    except ValueError:
        kind = "a whole number" if parameter.kind is int else "a number"
        raise UsageError(f"Invalid value for {parameter.quoted}: {text!a} is not {kind}.") from None
    minimum = parameter.declared.minimum
    if minimum is not None and not value >= minimum:
        raise UsageError(f"Invalid value for {parameter.quoted}: {text} is less than {minimum:g}.")
    return value
