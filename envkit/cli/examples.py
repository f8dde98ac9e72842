"""Examples of each command, for its help and for the hints of errors."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "find": ("envkit find pytorch --cuda 12.1", "envkit find pytorch --gpu h100 --driver 550 --why"),
    "create": ("envkit create pytorch 'numpy<2' -n train --persist /data/envs", "envkit create -f environment.yml"),
    "ensure": (
        "envkit ensure train --recipe pytorch-2.7-jupyter --persist /data/envs",
        "envkit ensure train -f environment.yml",
    ),
    "validate": ("envkit validate train", "envkit validate /opt/conda/envs/old --gpu a100 --driver 550"),
    "inspect": (
        "envkit inspect torch-2.7.1-cp312-cp312-manylinux_2_28_x86_64.whl --gpu v100",
        "envkit inspect /opt/conda/envs/old --gpu 'rtx 5090' --driver 570",
    ),
    "list": ("envkit list", "envkit list --persist /data/envs --json"),
    "show": ("envkit show train", "envkit show -p /data/envs/train --json"),
    "run": ("envkit run train -- python train.py", "envkit run -n train nvidia-smi"),
    "recipes": ("envkit recipes", "envkit recipes --json"),
    "recipes show": ("envkit recipes show pytorch-2.7-jupyter", "envkit recipes show llm --raw > environment.yml"),
    "recipes container": (
        "envkit recipes container lab && cd lab && docker compose up --build",
        "envkit recipes container lab --force",
    ),
    "recipes check": ("envkit recipes check recipes/", "envkit recipes check mine.yml --for a100/550 --for h100/580"),
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
    "pack": ("envkit pack train -o train.tar.zst", "envkit pack train --format squashfs --keep"),
    "unpack": ("envkit unpack train.tar.zst --persist /data/envs", "envkit unpack train.tar.zst -n trial"),
    "stage": ("envkit stage train --to /local/scratch", "envkit stage train.tar.zst --to /local/scratch"),
    "image": (
        "envkit image train --pack train.tar.zst -o build",
        "envkit image train --format apptainer --base debian:12-slim",
    ),
    "export": ("envkit export train > environment.yml", "envkit export train --explicit"),
    "lock": (
        "envkit lock -f environment.yml --for a100/550 -o pixi.lock",
        "envkit lock -f environment.yml -o pixi.lock --check",
    ),
    "doctor": ("envkit doctor train --full --fix", "envkit doctor --container"),
    "clean": ("envkit clean --dry-run", "envkit clean --keep 1 --older-than 2w"),
    "facts": ("envkit facts pytorch", "envkit facts cudnn --offline"),
    "detect": ("envkit detect", "envkit detect --json > host.json"),
    "activate": ('eval "$(envkit activate train)"', "envkit activate train --shell fish | source"),
    "deactivate": ('eval "$(envkit deactivate)"', "envkit deactivate --shell fish | source"),
    "shell": ("envkit shell train", "envkit shell train --shell zsh"),
    "vscode": ("envkit vscode train", "envkit vscode train --write --workspace ~/project"),
    "volume": ("envkit volume", "envkit volume --persist /data/envs --json"),
    "volume bootstrap": ("envkit volume bootstrap", "envkit volume bootstrap --persist /data/envs"),
    "volume share": (
        "envkit volume share --group team",
        "envkit volume share --group team --sticky --trust group",
    ),
    "config show": ("envkit config show --sources", "envkit config show --json"),
    "config get": ("envkit config get persist", "envkit config get engine --json"),
    "config set": ("envkit config set persist /data/envs", "envkit config set engine conda"),
    "config unset": ("envkit config unset persist", "envkit config unset engine"),
    "kernel install": ("envkit kernel install train", "envkit kernel install train --shared"),
    "kernel list": ("envkit kernel list", "envkit kernel list --json"),
    "kernel remove": ("envkit kernel remove train", "envkit kernel remove -p /data/envs/train"),
    "notebook new": ("envkit notebook new -n train", "envkit notebook new --framework numpy -o derivation.ipynb"),
    "notebook export": (
        "envkit notebook export notebook-math.ipynb --to pdf",
        "envkit notebook export notebook-math.ipynb --execute -o notebook-math.html",
    ),
    "fleet detect": (
        "envkit fleet detect --nodes 'n[1-3]' -o pool.jsonl",
        "envkit fleet detect --via slurm --deadline 60 -- --account=lab --partition=gpu",
    ),
    "fleet constraint": (
        "envkit fleet constraint train --for slurm --hosts pool.jsonl",
        "envkit fleet constraint train --for kubernetes",
    ),
    "fleet report": (
        "envkit fleet report -o fleet.html",
        "envkit fleet report --hosts pool.jsonl --persist /data/envs",
    ),
    "fleet stage": (
        "envkit fleet stage train --to /local/scratch",
        "envkit fleet stage train --to /local/scratch --nodes 'n[1-3]' -- --account=lab",
    ),
    "fleet validate": (
        "envkit fleet validate train --one-per-kind",
        "envkit fleet validate train --deadline 300 --nodes 'n[1-64]' -- --account=lab --partition=gpu",
    ),
    "fleet join": (
        "envkit fleet join train --at /data/envs/.envkit/validations/train-3f9c2a1b/meetings/0 --node n1",
        'envkit fleet join train --at "$PLACE" --node "$SLURMD_NODENAME" --deadline 60 --json',
    ),
    "help": ("envkit help exit-codes", "envkit help json --raw"),
}
"""Two of each, by the words that call it."""
