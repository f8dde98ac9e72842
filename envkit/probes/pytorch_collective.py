"""Do several processes of PyTorch compute together? All-reduce, and a gradient by DistributedDataParallel.

Run through ``session.py``; `envkit.checks.frameworks` judges. With GPUs by NCCL, one process on the first GPU,
with ``--thorough`` one on each; without, by gloo, two on the CPU.
"""

import datetime
import json
import os
import sys
import time

import envkit_exercises as exercises
import envkit_session as session

ELEMENTS = 1 << 20
ROWS = 16  # for each process
PATIENCE_S = 120


class Worker:
    """One process of the group; `plan` says which."""

    def __init__(self, torch, plan):
        """Join the others."""
        self.torch = torch
        self.rank, self.world = plan["rank"], plan["world"]
        self.device = "cuda:%d" % self.rank if plan["backend"] == "nccl" else "cpu"
        if plan["backend"] == "nccl":
            torch.cuda.set_device(self.device)
        self.distributed = torch.distributed
        self.distributed.init_process_group(
            plan["backend"],
            init_method="file://" + plan["store"],
            rank=self.rank,
            world_size=self.world,
            timeout=datetime.timedelta(seconds=PATIENCE_S),
        )

    def wait(self):
        """Until the device is done."""
        if self.device != "cpu":
            self.torch.cuda.synchronize(self.device)

    def all_reduce(self):
        """The sum of rank + 1 over all, on each of a million entries: exact."""
        tensor = self.torch.full((ELEMENTS,), float(self.rank + 1), device=self.device)
        self.distributed.all_reduce(tensor)
        self.wait()
        answer = exercises.Answer([self.world * (self.world + 1) / 2.0] * 2, [1.0, 1.0], 0, "exact")
        detail = answer.compare([float(tensor.min()), float(tensor.max())])
        detail["elements"] = ELEMENTS
        began = time.perf_counter()
        self.distributed.all_reduce(tensor)
        self.wait()
        elapsed = time.perf_counter() - began
        if self.world > 1:
            # What each process sends and receives in a ring, as NCCL's own tests count it.
            sent = 4 * ELEMENTS * 2 * (self.world - 1) / self.world
            detail["figures"] = {"all_reduce_bytes_per_s": sent / elapsed}
        return detail

    def gradient(self):
        """The gradient of a regression whose rows are spread over all processes; the same on each."""
        torch = self.torch
        x, y, w, answer = exercises.regression(ROWS * self.world)
        mine = slice(self.rank * ROWS, (self.rank + 1) * ROWS)
        model = torch.nn.Linear(len(w), 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([w], dtype=torch.float32))
        model = model.to(self.device)
        ids = [self.rank] if self.device != "cpu" else None
        model = torch.nn.parallel.DistributedDataParallel(model, device_ids=ids)
        rows = torch.tensor(x[mine], dtype=torch.float32, device=self.device)
        targets = torch.tensor(y[mine], dtype=torch.float32, device=self.device)
        ((model(rows).reshape(-1) - targets) ** 2).mean().backward()
        return answer.compare(model.module.weight.grad.detach().cpu().double().reshape(-1).tolist())

    def leave(self):
        """Give the group up."""
        self.distributed.destroy_process_group()


def work(plan):
    """Compute as a process of the group, and write the answers for the parent."""
    import torch

    worker = Worker(torch, plan)
    found = {"all-reduce": worker.all_reduce(), "ddp-gradient": worker.gradient()}
    worker.leave()
    with open(plan["result"], "w", encoding="utf-8") as file:
        json.dump(found, file)


def gather(probe, plans):
    """Run a group and return each process's answers by rank. The first that fails ends the others."""
    workers = [probe.worker(plan, log=plan["result"] + ".log") for plan in plans]
    try:
        waiting = dict(zip(workers, plans))
        while waiting:
            for worker in list(waiting):
                status = worker.poll()
                if status is None:
                    continue
                plan = waiting.pop(worker)
                if status != 0:
                    raise RuntimeError("process %d ended with %d: %s" % (plan["rank"], status, last_words(plan)))
            time.sleep(0.02)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
    answers = []
    for plan in plans:
        with open(plan["result"], encoding="utf-8") as file:
            answers.append(json.load(file))
    return answers


def last_words(plan):
    """The last line that a process wrote."""
    with open(plan["result"] + ".log", encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file.read().splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "error" in line]
    return (told or lines or ["nothing"])[-1]


def main(probe):
    """Gather the facts."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    probe.step("import", "import torch")
    import torch

    backend = "nccl" if probe.options.gpu else "gloo"
    world = 2
    if probe.options.gpu:
        world = torch.cuda.device_count() if probe.options.thorough else 1
    group = "%s:%d" % (backend, world)
    name = "%d process%s by %s" % (world, "es" if world > 1 else "", backend)
    probe.device(group, "gpu" if probe.options.gpu else "cpu", name)
    plans = [
        {
            "rank": rank,
            "world": world,
            "backend": backend,
            "store": os.path.join(probe.scratch, "store"),
            "result": os.path.join(probe.scratch, "%d.json" % rank),
        }
        for rank in range(world)
    ]
    answers = []

    def start():
        if not torch.distributed.is_available():
            raise session.Skip("this build has no torch.distributed")
        if backend == "nccl" and not torch.distributed.is_nccl_available():
            raise session.Skip("this build has no NCCL")
        answers.extend(gather(probe, plans))
        return exercises.worst_of([answer["all-reduce"] for answer in answers])

    probe.check("all-reduce", group, start)
    if answers:
        probe.check("ddp-gradient", group, lambda: exercises.worst_of([answer["ddp-gradient"] for answer in answers]))
