"""envkit config show, get, set, unset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from envkit.cli import options
from envkit.cli.declared import argument, option

if TYPE_CHECKING:
    from envkit.cli.output import Console
    from envkit.models.setting import Setting


_WIDE = 100  # columns
_Key = Annotated[str, argument(metavar="KEY", help="persist, engine, torch_index or timeout.")]


def config_show_command(
    *,
    persist: options.Persist = None,
    sources: Annotated[bool, option("--sources", help="Show what each file and variable says.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show every setting that is set, where it comes from, and what envkit does not obey."""
    from envkit.api.config import show_settings
    from envkit.cli.output import print_json
    from envkit.settings import load_settings
    from envkit.values import asdict

    settings = load_settings(persist=persist)
    found = show_settings(settings, os.environ)
    if as_json:
        print_json({"settings": [asdict(setting) for setting in found], "notes": list(settings.notes)})
    else:
        _render(found, settings.notes, sources=sources)


def _render(found: tuple[Setting, ...], notes: tuple[str, ...], *, sources: bool) -> None:
    from envkit.cli.output import console, labelled

    out = console()
    if out.width < _WIDE:
        _render_blocks(out, found, sources=sources)
    else:
        _render_table(out, found, sources=sources)
    if notes:
        out.print(labelled(*(("note", "yellow", note) for note in notes)))


def _render_table(out: Console, found: tuple[Setting, ...], *, sources: bool) -> None:
    from envkit.cli.output import literal, table

    view = table("setting", "value", "from", "envkit", whole=("setting",))
    for setting in found:
        style = "" if setting.obeyed else "yellow"
        shown = [literal(setting.name), literal(_words(setting.value)), literal(setting.origin)]
        view.add_row(*shown, literal(_meaning(setting), style))
        for source in setting.sources if sources else ():
            view.add_row("", literal(_words(source.value), "dim"), literal(source.origin, "dim"), "")
    out.print(view)


def _render_blocks(out: Console, found: tuple[Setting, ...], *, sources: bool) -> None:
    """Print each setting with its parts below it: four columns would cut words."""
    from envkit.cli.output import labelled, literal

    for setting in found:
        out.print(literal(f"{setting.name}: {_words(setting.value)}", "bold"))
        rows = [
            ("  from", "dim", setting.origin),
            ("  means", "dim" if setting.obeyed else "yellow", _meaning(setting)),
        ]
        rows += [
            ("  said", "dim", f"{_words(source.value)} ({source.origin})") for source in setting.sources if sources
        ]
        out.print(labelled(*rows))


def _meaning(setting: Setting) -> str:
    return setting.text if setting.obeyed else f"not obeyed: {setting.text}"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(member)}" for key, member in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)


def config_get_command(key: _Key, *, as_json: options.Json = False) -> int:
    """Print what envkit's own file says; exit 1 where it says nothing of it."""
    from envkit.api.config import check_own_key, read_own
    from envkit.cli.output import console, literal, print_json

    check_own_key(key)
    path, content = read_own(os.environ)
    value = content.get(key)
    if as_json:
        print_json({"key": key, "value": value, "file": str(path)})
    elif value is not None:
        console().print(literal(str(value)))
    return 0 if value is not None else 1


def config_set_command(
    key: _Key,
    value: Annotated[str, argument(metavar="VALUE", help="Its value.")],
    *,
    as_json: options.Json = False,
) -> None:
    """Write a setting into envkit's own file."""
    _change(key, value, as_json=as_json)


def config_unset_command(key: _Key, *, as_json: options.Json = False) -> None:
    """Take a setting out of envkit's own file."""
    _change(key, None, as_json=as_json)


def _change(key: str, text: str | None, *, as_json: bool) -> None:
    from envkit.api.config import change_own, read_own
    from envkit.cli.output import console, literal, print_json

    path = change_own(key, text, os.environ)
    value = read_own(os.environ)[1].get(key)
    if as_json:
        print_json({"key": key, "value": value, "file": str(path)})
    else:
        console().print(literal(f"{key} is {'not set' if value is None else value} in {path}"))
