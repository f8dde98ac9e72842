"""A command as typer shows it: flags without a type, and examples at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "find": ("envkit find pytorch --cuda 12.1", "envkit find pytorch --gpu h100 --driver 550 --why"),
    "create": ("envkit create pytorch 'numpy<2' -n train --persist /data/envs", "envkit create -f environment.yml"),
    "validate": ("envkit validate train", "envkit validate /opt/conda/envs/old --gpu a100 --driver 550"),
    "inspect": (
        "envkit inspect torch-2.7.1-cp312-cp312-manylinux_2_28_x86_64.whl --gpu v100",
        "envkit inspect /opt/conda/envs/old --gpu 'rtx 5090' --driver 570",
    ),
    "list": ("envkit list", "envkit list --persist /data/envs --json"),
    "show": ("envkit show train", "envkit show -p /data/envs/train --json"),
    "run": ("envkit run train -- python train.py", "envkit run -n train nvidia-smi"),
    "recipes": ("envkit recipes", "envkit create --recipe jax"),
    "install": ("envkit install -n train scipy 'pandas>=2'", "envkit install -n train transformers --dry-run"),
    "uninstall": ("envkit uninstall -n train scipy", "envkit uninstall -n train scipy --dry-run"),
    "upgrade": ("envkit upgrade -n train", "envkit upgrade -n train 'pytorch>=2.7'"),
    "history": ("envkit history train", "envkit history train --json"),
    "diff": ("envkit diff train", "envkit diff train@1 train@3"),
    "rollback": ("envkit rollback train", "envkit rollback train 2"),
    "tree": ("envkit tree train --depth 2", "envkit tree pytorch -c conda-forge"),
    "why": ("envkit why openssl -n train", "envkit why numpy -c conda-forge --json"),
    "remove": ("envkit remove old", "envkit remove -n train scipy"),
    "rename": ("envkit rename train train-2025", "envkit rename -p /data/envs/train new"),
    "clone": ("envkit clone train trial", "envkit clone train@2 before"),
    "export": ("envkit export train > environment.yml", "envkit export train --explicit"),
    "lock": (
        "envkit lock -f environment.yml --for a100/550 -o pixi.lock",
        "envkit lock -f environment.yml -o pixi.lock --check",
    ),
    "doctor": ("envkit doctor", "envkit doctor train --full --fix"),
    "clean": ("envkit clean --dry-run", "envkit clean --keep 1 --older-than 2w"),
    "facts": ("envkit facts pytorch", "envkit facts cudnn --offline"),
    "detect": ("envkit detect", "envkit detect --json > host.json"),
    "activate": ('eval "$(envkit activate train)"', "envkit activate train --shell fish | source"),
    "deactivate": ('eval "$(envkit deactivate)"', "envkit deactivate --shell fish | source"),
    "shell": ("envkit shell train", "envkit shell train --shell zsh"),
}
"""Two examples of each command. Commands that are not named here have none."""


class Command(TyperCommand):
    """A subcommand of envkit."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        examples = EXAMPLES.get(name or "", ())
        if examples:
            settings["epilog"] = "\n\n".join(["Examples:", *examples])
        super().__init__(name, **settings)
        for parameter in self.params:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""  # else it shows as <bool>

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help``, shown as the other flags."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.metavar = ""
        return option


class Group(TyperGroup):
    """The command `envkit` itself: its flags are shown without a type, too."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; those of completion are added after the command was made."""
        found = super().get_params(ctx)
        for parameter in found:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return found
