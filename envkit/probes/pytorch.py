"""Does PyTorch compute? On the CPU, on each GPU and on Apple's, everything against answers known in float64.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import contextlib
import importlib.util
import os
import shutil

import envkit_exercises as exercises
import envkit_session as session


class Torch(exercises.Exercises):
    """The exercises in PyTorch, on one device."""

    checks = ("matmul", "bf16", "conv", "regression-gradient", "attention-gradient", "compile", "throughput")

    def __init__(self, torch, device, kind):
        """Compute with `torch` on `device`, which is a cpu or a gpu."""
        self.torch = torch
        self.device = device
        self.kind = kind

    def array(self, values, shape=None, dtype="float32"):
        """Numbers on the device."""
        made = self.torch.tensor(values, dtype=self.torch.float32)
        return (made if shape is None else made.reshape(shape)).to(getattr(self.torch, dtype)).to(self.device)

    def flat(self, tensor):
        """A tensor as floats; converted on the CPU, since not every device has float64."""
        return tensor.detach().cpu().double().reshape(-1).tolist()

    def synchronize(self):
        """Wait for the device."""
        if self.device.startswith("cuda"):
            self.torch.cuda.synchronize(self.device)
        elif self.device == "mps":
            self.torch.mps.synchronize()

    def product(self, a, b):
        """A product of matrices."""
        return self.torch.matmul(a, b)

    def bf16(self):
        """A product in bfloat16, where there is any."""
        if not hasattr(self.torch, "bfloat16"):
            raise session.Skip("this PyTorch has no bfloat16")
        if self.device.startswith("cuda") and self.torch.cuda.get_device_capability(self.device) < (8, 0):
            raise session.Skip("the GPU has no bfloat16: it came with compute capability 8.0")
        return super().bf16()

    def convolve(self, image, filters, padding):
        """A convolution."""
        return self.torch.nn.functional.conv2d(image, filters, padding=padding)

    def conv(self):
        """A convolution, and whether it had cuDNN."""
        detail = super().conv()
        if self.device.startswith("cuda"):
            detail["cudnn"] = bool(self.torch.backends.cudnn.enabled and self.torch.backends.cudnn.is_available())
        return detail

    def regress(self, rows, targets, weights):
        """A gradient, by autograd."""
        weights.requires_grad_()
        ((self.torch.mv(rows, weights) - targets) ** 2).mean().backward()
        return weights.grad

    def attend(self, *inputs):
        """Gradients, by autograd; the four dimensions are those of the fused kernels."""
        *inputs, above = (tensor.unsqueeze(0) for tensor in inputs)
        for tensor in inputs:
            tensor.requires_grad_()
        fused = getattr(self.torch.nn.functional, "scaled_dot_product_attention", None)
        if fused is not None:
            out = fused(*inputs)
        else:  # before 2.0
            scores = inputs[0] @ inputs[1].transpose(-2, -1) / exercises.ATTENTION["width"] ** 0.5
            out = self.torch.softmax(scores, dim=-1) @ inputs[2]
        out.backward(above)
        return [tensor.grad for tensor in inputs]

    def compile(self):
        """torch.compile of a small function, exact on small integers."""
        torch = self.torch
        if not hasattr(torch, "compile"):
            raise session.Skip("torch.compile came with PyTorch 2.0")
        if self.kind == "gpu" and importlib.util.find_spec("triton") is None:
            raise session.Skip("triton is not installed")
        if not any(map(shutil.which, filter(None, (os.environ.get("CXX"), "g++", "c++", "clang++")))):
            raise session.Skip("there is no C++ compiler (g++), which torch.compile needs")
        x, answer = exercises.elementwise()
        compiled = torch.compile(lambda t: torch.relu(2 * t + 1) * t)
        return answer.compare(self.flat(compiled(self.array(x))))

    def throughput(self):
        """Figures, of which no verdict is made."""
        torch, n, at_once = self.torch, exercises.FIGURE_SIZE[self.kind], exercises.FIGURE_PRODUCTS[self.kind]
        figures = {}
        types = [("float32", torch.float32)]
        if self.kind == "gpu" and hasattr(torch, "bfloat16"):
            types.append(("bfloat16", torch.bfloat16))
        for name, dtype in types:
            a = torch.rand(n, n, device=self.device, dtype=dtype)

            def run(a=a):
                for _ in range(at_once):
                    torch.matmul(a, a)
                self.synchronize()

            figures["matmul_%s_flop_per_s" % name] = session.best_rate(at_once * 2 * n**3, run)
        return {"figures": figures, "size": n}


def be_exact(torch):
    """Full float32 everywhere: TF32 and bfloat16 reductions would be faster and less exact."""
    for settings, name in (
        (torch.backends.cuda.matmul, "allow_tf32"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
        (torch.backends.cudnn, "benchmark"),
    ):
        with contextlib.suppress(Exception):
            setattr(settings, name, False)


def look(torch):
    """The CUDA devices as PyTorch lists them: name, compute capability and memory of each."""
    if not torch.cuda.is_available() or not torch.cuda.device_count():
        torch.cuda.init()  # raises with the reason; is_available only says no
        raise RuntimeError("torch.cuda.is_available() is False")
    found = []
    for index in range(torch.cuda.device_count()):
        facts = {"compute_capability": "%d.%d" % torch.cuda.get_device_capability(index)}
        with contextlib.suppress(Exception):
            facts["memory_bytes"] = torch.cuda.get_device_properties(index).total_memory
        found.append((torch.cuda.get_device_name(index), facts))
    return found


def main(probe):
    """Gather the facts."""
    probe.step("import", "import torch")
    import torch

    cuda = torch.version.cuda
    hip = getattr(torch.version, "hip", None)
    probe.fact("version", torch.__version__)
    probe.build("cuda", lambda: cuda)
    probe.build("hip", lambda: hip)
    be_exact(torch)
    on_cpu = probe.options.thorough and not probe.options.gpu
    Torch(torch, "cpu", "cpu").run(probe, probe.device("cpu"), without=() if on_cpu else ("compile",))
    if cuda or hip:
        probe.build("arch_list", torch.cuda.get_arch_list)
        probe.build("cudnn", torch.backends.cudnn.version)
        probe.build("nccl", lambda: ".".join(map(str, torch.cuda.nccl.version())))
        for index, (called, facts) in enumerate(probe.gpus(lambda: look(torch))):
            name = probe.device("cuda:%d" % index, "gpu", called, **facts)
            Torch(torch, name, "gpu").run(probe, name, without=("compile",) if index else ())
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        Torch(torch, "mps", "gpu").run(probe, probe.device("mps", "gpu", "Apple GPU"), without=("compile",))
