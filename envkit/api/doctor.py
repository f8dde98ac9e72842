"""doctor: check environments and the volume, and mend them."""

from __future__ import annotations

import time

from envkit.api.checkup import check_subjects
from envkit.api.session import Session
from envkit.models.care import Checkup
from envkit.models.codes.files import TAMPERED
from envkit.models.fact import Fact


def doctor(session: Session, reference: str | None, *, full: bool, fix: bool, alone: bool = False) -> Checkup:
    """Check one environment or prefix of any origin, or the whole volume with all its environments.

    Args:
        session: Settings and services.
        reference: A name, ``NAME@N`` or a path; None for the volume.
        full: Hash every file, in the package cache too.
        fix: Remove leftovers and damaged packages, link damaged environments anew, validate on this kind of host
            what was validated on another, and put permissions right.
        alone: The reference is a path, and there may be no volume.

    Raises:
        UnknownEnvironmentError: There is no such environment or prefix.
    """
    began = time.monotonic()
    volume = None if alone else session.find_volume()
    mended: list[Fact] = []
    subjects = check_subjects(volume, reference, session.host, full=full, reporter=session.reporter)
    tampered = any(f.code == TAMPERED for subject in subjects for f in subject.findings)
    if (
        fix
        and volume is not None
        and not tampered
        and any(f.status != "pass" for subject in subjects for f in subject.findings)
    ):
        from envkit.api.mend import mend

        mended = mend(session, subjects, reference)
        if mended:
            subjects = check_subjects(volume, reference, session.host, full=full, reporter=session.reporter)
    return Checkup(tuple(subjects), full, tuple(mended), round(time.monotonic() - began, 3))
