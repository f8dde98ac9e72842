"""An interrupt cancels what was started on other machines."""

from __future__ import annotations

from pathlib import Path

from envkit.cancel import cancel_all, cancelled_by


def test_a_command_runs_while_it_is_meant(tmp_path: Path) -> None:
    cancelled = tmp_path / "cancelled"
    with cancelled_by(["touch", str(cancelled)]):
        cancel_all()
        assert cancelled.exists()
    cancelled.unlink()
    cancel_all()
    assert not cancelled.exists()
