"""Does PyTorch compute? Multiplies matrices on the CPU and on each GPU and compares with a float64 reference.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I pytorch.py [--trace FD]

Reports raw facts as one JSON document; `envkit.checks.framework` judges. Exit status: 0 when the document was written.
"""

import argparse
import json
import os
import sys

SIZE = 256


def tracer(descriptor):
    """A function that says what is about to happen."""

    def tell(call, device=None):
        if descriptor is not None:
            step = {"step": {"check": "pytorch", "call": call, "device": device}}
            os.write(descriptor, (json.dumps(step) + "\n").encode())

    return tell


def matmul(torch, device):
    """Largest relative error of a float32 product on `device` against float64 on the CPU."""
    generator = torch.Generator().manual_seed(20240229)
    a = torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)
    b = torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)
    a, b = a.float(), b.float()
    reference = a.double() @ b.double()
    product = (a.to(device) @ b.to(device)).double().cpu()
    scale = float(reference.abs().max())
    return float((product - reference).abs().max()) / scale


def guarded(document, key, action):
    """Record the result of `action` or what it raised."""
    try:
        document[key] = action()
    except Exception as error:  # noqa: BLE001 - a framework may raise anything
        document[key + "_error"] = "%s: %s" % (type(error).__name__, str(error)[:2000])


def main():
    """Gather the facts and write them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trace", type=int)
    arguments = parser.parse_args()
    tell = tracer(arguments.trace)
    out = os.dup(1)
    os.dup2(2, 1)
    tell("import torch")
    import torch

    cuda = torch.version.cuda
    document = {
        "schema_version": 1,
        "version": torch.__version__,
        "build_cuda": cuda,
        "hip": getattr(torch.version, "hip", None),
        "devices": [],
    }
    tell("matmul on the CPU")
    guarded(document, "cpu_error_relative", lambda: matmul(torch, "cpu"))
    if cuda:
        torch.backends.cuda.matmul.allow_tf32 = False
        guarded(document, "arch_list", torch.cuda.get_arch_list)
        guarded(document, "cudnn", torch.backends.cudnn.version)
        tell("torch.cuda.is_available")
        guarded(document, "available", torch.cuda.is_available)
        guarded(document, "device_count", torch.cuda.device_count)
        if not document.get("available"):
            tell("torch.cuda.init")
            guarded(document, "init", torch.cuda.init)
        for index in range(document.get("device_count") or 0):
            device = {"index": index}
            tell("matmul on the GPU", index)
            guarded(device, "name", lambda i=index: torch.cuda.get_device_name(i))
            guarded(device, "compute_capability", lambda i=index: "%d.%d" % torch.cuda.get_device_capability(i))
            guarded(device, "error_relative", lambda i=index: matmul(torch, "cuda:%d" % i))
            document["devices"].append(device)
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        tell("matmul on MPS")
        guarded(document, "mps_error_relative", lambda: matmul(torch, "mps"))
    with os.fdopen(out, "w", encoding="utf-8") as file:
        file.write(json.dumps(document) + "\n")
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
