"""Does Faiss find? The exact nearest neighbours of a few points, on the CPU and on each GPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises


class Faiss(exercises.Exercises):
    """The exercises on one device."""

    checks = ("nearest-neighbours",)

    def __init__(self, faiss, numpy, gpu=None):
        """Compute with `faiss` on the GPU of that number, or on the CPU."""
        self.faiss = faiss
        self.numpy = numpy
        self.gpu = gpu

    def nearest_neighbours(self):
        """A search in a flat index."""
        base, queries, answer = exercises.neighbours(count=4)
        index = self.faiss.IndexFlatL2(len(base[0]))
        if self.gpu is not None:
            index = self.faiss.index_cpu_to_gpu(self.faiss.StandardGpuResources(), self.gpu, index)
        index.add(self.numpy.array(base, dtype="float32"))
        distances, found = index.search(self.numpy.array(queries, dtype="float32"), 4)
        if [int(row[0]) for row in found] != [31 * query for query in range(len(queries))]:
            raise RuntimeError("the nearest neighbours are %s" % [int(row[0]) for row in found])
        return answer.compare([float(value) for value in distances.reshape(-1)])


def main(probe):
    """Gather the facts."""
    probe.step("import", "import faiss")
    import faiss
    import numpy

    probe.fact("version", faiss.__version__)
    gpu = hasattr(faiss, "StandardGpuResources")
    probe.build("gpu", lambda: gpu)
    options = faiss.get_compile_options().split()
    probe.build("options", lambda: [word for word in options if word not in {"OPTIMIZE", "DD"}])
    Faiss(faiss, numpy).run(probe, probe.device("cpu"))
    for index in probe.gpus(lambda: range(faiss.get_num_gpus())) if gpu else ():
        Faiss(faiss, numpy, index).run(probe, probe.device("cuda:%d" % index, "gpu"))
