from __future__ import annotations

import pytest

from envkit.builds.buildstring import parse_build_string


@pytest.mark.parametrize(
    ("text", "variant", "cuda", "python"),
    [
        ("py3.9_cuda12.1_cudnn9.1.0_0", "cuda", "12.1", "3.9"),
        ("py3.9_cuda12.1_cudnn9_0", "cuda", "12.1", "3.9"),
        ("py3.11_cuda12.1_cudnn8.9.2_0", "cuda", "12.1", "3.11"),
        ("py3.5_cuda10.1.243_cudnn7.6.3_0", "cuda", "10.1", "3.5"),
        ("py36_cuda9.0.176_cudnn7.1.2_1", "cuda", "9.0", "3.6"),
        ("py27_cuda0.0_cudnn0.0_1", "cpu", None, "2.7"),
        ("py36_cuda8.0.61h8069bcb_1", "cuda", "8.0", "3.6"),
        ("py3.9_cpu_0", "cpu", None, "3.9"),
        ("py36_cpuh7097a09_4", "cpu", None, "3.6"),
        ("py3.11_0", None, None, "3.11"),
        ("py39_cu121", "cuda", "12.1", "3.9"),
        ("py38_cu92", "cuda", "9.2", "3.8"),
        ("py39_cpu", "cpu", None, "3.9"),
        ("py36", None, None, "3.6"),
        ("py3.8_hc0239a3_0_cuda11.4", "cuda", "11.4", "3.8"),
        ("cuda126_mkl_py312_h30b5a27_300", "cuda", "12.6", "3.12"),
        ("cuda126_mkl_ha999a5f_300", "cuda", "12.6", None),
        ("cuda129_generic_h5f42c9c_200", "cuda", "12.9", None),
        ("cuda118_py312h26b3cf7_301", "cuda", "11.8", "3.12"),
        ("cuda112py39ha9981d0_200", "cuda", "11.2", "3.9"),
        ("cuda_py312_h4a51b5c_1", "cuda", None, "3.12"),
        ("cpu_mkl_h22db08a_100", "cpu", None, None),
        ("cpu_generic_py311_hd55f619_9", "cpu", None, "3.11"),
        ("cpu_py310h67d73b5_1", "cpu", None, "3.10"),
        ("cpu_pyhe781eb1_1", "cpu", None, None),
        ("py311h546fdd5_200_cuda129", "cuda", "12.9", "3.11"),
        ("py311h4107d7c_200_cuda", "cuda", None, "3.11"),
        ("py312h2a9cbd2_0_cpu", "cpu", None, "3.12"),
        ("py310cuda126hb9dc78d_0_cuda", "cuda", "12.6", "3.10"),
        ("gpu_cuda118py311h1234567_0", "cuda", "11.8", "3.11"),
        ("gpu_cuda128_py312h1234567_300", "cuda", "12.8", "3.12"),
        ("gpu_py38h8a81be8_0", "cuda", None, "3.8"),
        ("gpu_mps_py312h1234567_0", "mps", None, "3.12"),
        ("cuda101py38h02f0884_0", "cuda", "10.1", "3.8"),
        ("cuda92py38h488537e_0", "cuda", "9.2", "3.8"),
        ("eigen_py37h195cb1b_0", None, None, "3.7"),
        ("cuda*_mkl*300", "cuda", None, None),
        ("cuda118*", "cuda", "11.8", None),
        ("cpu_mkl*101", "cpu", None, None),
        ("h8db9d67_1", None, None, None),
        ("pyhd8ed1ab_0", None, None, None),
        ("", None, None, None),
    ],
)
def test_every_grammar_is_read(text: str, variant: str | None, cuda: str | None, python: str | None) -> None:
    said = parse_build_string(text)
    assert (said.variant, str(said.cuda) if said.cuda else None, said.python) == (variant, cuda, python)


def test_two_digits_are_a_major_where_no_toolkit_has_that_name() -> None:
    assert parse_build_string("cuda12_py311h1234567_0").cuda_major_only
    assert not parse_build_string("cuda92_py27h1234567_0").cuda_major_only


def test_rocm_is_no_cuda() -> None:
    said = parse_build_string("rocm62_py312h1234567_0")
    assert said.rocm
    assert said.variant is None
