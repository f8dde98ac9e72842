"""Write the reference that `envkit help` shows. What is in it is read from the code; see `referring`."""

from __future__ import annotations

from pathlib import Path

from referring.codes import codes_page, exit_codes_page
from referring.conda import conda_page
from referring.documents import json_page
from referring.files import files_page
from referring.variables import variables_page

from envkit.cli.usage import summaries
from envkit.recipes import builtin_table

__all__ = ["FOLDER", "reference"]

FOLDER = Path(__file__).parent.parent / "envkit" / "data" / "reference"


def reference() -> dict[str, str]:
    """Return each page of the reference by its file name."""
    return {
        "codes.md": codes_page(),
        "commands.txt": summaries(),
        "conda.md": conda_page(),
        "exit-codes.md": exit_codes_page(),
        "files.md": files_page(),
        "json.md": json_page(),
        "recipes.txt": builtin_table(),
        "variables.md": variables_page(),
    }


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in reference().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
