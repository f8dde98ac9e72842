"""Reading the GPU code that a library holds, without a GPU: bytes in, values out, the standard library only.

Only headers are read, so a library costs as much time as it has entries, however large it is. Sizes and offsets come
from the file and are believed no further than its end; what contradicts itself is a `MalformedCodeError`.

Sources: the ELF and System V ABI specifications, Microsoft's PE format, ``fatbinary_section.h`` and ``fatbinary.h`` of
the CUDA toolkit, clang's documentation of its offload bundles; entries by looking at what ``fatbinary``, ``nvcc`` and
nvFatbin of CUDA 11.8 to 13.5 write.
"""
