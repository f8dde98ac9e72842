"""Does XGBoost fit? One tree that takes in a staircase exactly, on the CPU and on each GPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import json

import envkit_exercises as exercises


class XGBoost(exercises.Exercises):
    """The exercises on one device."""

    checks = ("trees",)

    def __init__(self, xgboost, numpy, device):
        """Compute with `xgboost` on `device`."""
        self.xgboost = xgboost
        self.numpy = numpy
        self.device = device

    def trees(self):
        """One tree of two levels."""
        x, y, answer = exercises.steps()
        rows = self.xgboost.DMatrix(self.numpy.array(x), label=self.numpy.array(y))
        settings = {
            "max_depth": 2,
            "eta": 1.0,
            "lambda": 0.0,
            "base_score": 0.0,
            "min_child_weight": 0.0,
            "nthread": 1,
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "verbosity": 0,
            "device": self.device,
        }
        if int(self.xgboost.__version__.split(".")[0]) < 2:
            settings.pop("device")
            settings.update({"tree_method": "gpu_hist"} if self.device != "cpu" else {})
            settings.update({"gpu_id": int(self.device[5:])} if self.device != "cpu" else {})
        booster = self.xgboost.train(settings, rows, num_boost_round=1)
        used = json.loads(booster.save_config())["learner"]["generic_param"].get("device", self.device)
        if used != self.device:
            raise RuntimeError("asked for %s, XGBoost used %s: it finds no GPU" % (self.device, used))
        return answer.compare([float(value) for value in booster.predict(rows)])


def dotted(numbers):
    """A version out of numbers."""
    return ".".join(map(str, numbers))


def main(probe):
    """Gather the facts."""
    probe.step("import", "import xgboost")
    import numpy
    import xgboost

    probe.fact("version", xgboost.__version__)
    facts = xgboost.build_info() if hasattr(xgboost, "build_info") else {}
    if facts.get("USE_CUDA"):
        probe.build("cuda", lambda: dotted(facts["CUDA_VERSION"]))
        probe.build("nccl", lambda: dotted(facts["NCCL_VERSION"]))
    XGBoost(xgboost, numpy, "cpu").run(probe, probe.device("cpu"))
    for index in range(probe.options.gpu if facts.get("USE_CUDA") else 0):
        name = probe.device("cuda:%d" % index, "gpu")
        XGBoost(xgboost, numpy, name).run(probe, name)
