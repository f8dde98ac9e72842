"""Does LightGBM fit? One tree that takes in a staircase exactly, on the CPU and on each GPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises


class LightGBM(exercises.Exercises):
    """The exercises with one tree learner."""

    checks = ("trees",)

    def __init__(self, lightgbm, numpy, learner, index=0):
        """Use `learner`, ``cpu`` or ``cuda``, on the GPU `index`."""
        self.lightgbm = lightgbm
        self.numpy = numpy
        self.learner = learner
        self.index = index

    def trees(self):
        """One tree of four leaves."""
        x, y, answer = exercises.steps()
        settings = {
            "num_leaves": 4,
            "learning_rate": 1.0,
            "boost_from_average": False,
            "min_data_in_leaf": 1,
            "min_sum_hessian_in_leaf": 0.0,
            "min_data_in_bin": 1,
            "objective": "regression",
            "verbosity": -1,
            "device_type": self.learner,
            "gpu_device_id": self.index,
            "num_threads": 1,
        }
        rows = self.lightgbm.Dataset(self.numpy.array(x), label=self.numpy.array(y))
        booster = self.lightgbm.train(settings, rows, num_boost_round=1)
        return answer.compare([float(value) for value in booster.predict(self.numpy.array(x))])


def has_cuda(lightgbm, numpy):
    """Whether the build has the CUDA tree learner; only one that lacks it says so in these words."""
    try:
        LightGBM(lightgbm, numpy, "cuda").trees()
    except lightgbm.basic.LightGBMError as error:
        return "not enabled in this build" not in str(error)
    return True


def main(probe):
    """Gather the facts."""
    probe.step("import", "import lightgbm")
    import lightgbm
    import numpy

    probe.fact("version", lightgbm.__version__)
    LightGBM(lightgbm, numpy, "cpu").run(probe, probe.device("cpu"))
    probe.step("devices", "train with device_type=cuda")
    probe.build("cuda", lambda: has_cuda(lightgbm, numpy))
    cuda = probe.document["build"].get("cuda")
    probe.build("learners", lambda: ["CPU", "CUDA"] if cuda else ["CPU"])
    for index in range(probe.options.gpu if cuda else 0):
        LightGBM(lightgbm, numpy, "cuda", index).run(probe, probe.device("cuda:%d" % index, "gpu"))
