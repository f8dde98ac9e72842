"""Does cuML compute? A linear regression whose weights are known, on each GPU; it has no CPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import os

import envkit_exercises as exercises
import envkit_session as session

WEIGHTS = (3.0, -2.0, 0.5, 7.0)


class CuMl(exercises.Exercises):
    """The exercises in cuML, on the current device."""

    checks = ("linear-regression",)

    def __init__(self, cuml, numpy):
        """Compute with `cuml`."""
        self.cuml = cuml
        self.numpy = numpy

    def linear_regression(self):
        """Four weights out of 64 rows of signs.

        The columns are those of a Hadamard matrix: orthogonal, so that the normal equations are 64 times the identity.
        An entry meets the roundings of a sum over the rows, and again those of what solves for it.
        """
        x = [[-1.0 if row & column else 1.0 for column in (1, 2, 4, 8)] for row in range(64)]
        y = [sum(map(float.__mul__, WEIGHTS, row)) for row in x]
        model = self.cuml.LinearRegression(fit_intercept=False)
        model.fit(self.numpy.array(x), self.numpy.array(y))
        scale = [sum(map(abs, WEIGHTS))] * len(WEIGHTS)
        answer = exercises.Answer(list(WEIGHTS), scale, 2 * len(x), "float64")
        return answer.compare([float(value) for value in self.numpy.asarray(model.coef_).reshape(-1)])


def main(probe):
    """Gather the facts."""
    if not probe.options.gpu:
        os.environ["RAPIDS_NO_INITIALIZE"] = "1"  # else the import fails where there is no GPU
    probe.step("import", "import cuml")
    import cuml
    import cupy
    import numpy

    probe.fact("version", cuml.__version__)
    probe.build("cuda", lambda: session.cuda_of_cupy(cupy))
    for name in probe.gpus_of_cupy(cupy):
        CuMl(cuml, numpy).run(probe, name)
