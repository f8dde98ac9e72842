"""Does cuDF compute? Sums of groups, exact on integers, on each GPU; it has no CPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import os

import envkit_exercises as exercises
import envkit_session as session


class CuDf(exercises.Exercises):
    """The exercises in cuDF, on the current device."""

    checks = ("group-sums",)

    def __init__(self, cudf):
        """Compute with `cudf`."""
        self.cudf = cudf

    def group_sums(self):
        """The sums of 10 groups of 1,000 numbers."""
        values = list(range(10_000))
        frame = self.cudf.DataFrame({"key": [value % 10 for value in values], "value": values})
        sums = frame.groupby("key").sum().sort_index()["value"].to_pandas().tolist()
        answer = exercises.Answer([float(sum(values[key::10])) for key in range(10)], [1.0] * 10, 0, "exact")
        return answer.compare([float(value) for value in sums])


def main(probe):
    """Gather the facts."""
    if not probe.options.gpu:
        os.environ["RAPIDS_NO_INITIALIZE"] = "1"  # else the import fails where there is no GPU
    probe.step("import", "import cudf")
    import cudf
    import cupy

    probe.fact("version", cudf.__version__)
    probe.build("cuda", lambda: session.cuda_of_cupy(cupy))
    for name in probe.gpus_of_cupy(cupy):
        CuDf(cudf).run(probe, name)
