"""Documents hold what JSON can hold, sentences made."""

from __future__ import annotations

import json
import pickle

from envkit.models.codes.advice import NETWORK_VOLUME
from envkit.models.codes.reasons import MPS
from envkit.models.fact import Advice, Reason
from envkit.models.volume import VolumeReport
from envkit.wire.volume import volume_json


def test_concerns_of_a_volume_are_sentences() -> None:
    report = VolumeReport(
        root="/data",
        settings={},
        notes=(),
        exists=False,
        id=None,
        mounted_at=None,
        fs_type="nfs4",
        mount_point="/data",
        abilities={},
        missing=(),
        concerns=(Advice(NETWORK_VOLUME, fs_type="nfs4"),),
        free_bytes=1,
        free_inodes=None,
        quota=None,
        use=None,
        launcher=None,
    )
    document = json.loads(json.dumps(volume_json(report)))
    assert document["concerns"] == ["nfs4 is a network file system: linking takes longer than on a local disk"]


def test_facts_are_values() -> None:
    assert pickle.loads(pickle.dumps(Reason(MPS))) == Reason(MPS)  # noqa: S301 - made here
    assert Reason(MPS) != Advice(MPS)
    assert len({Reason(MPS), Reason(MPS)}) == 1
    assert repr(Advice(NETWORK_VOLUME, fs_type="nfs4")) == "Advice('network-volume', fs_type='nfs4')"
