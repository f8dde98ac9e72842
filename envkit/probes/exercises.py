"""Mathematics with known answers, in plain Python: what every framework is asked to compute.

Loaded by path from the probes beside it. Inputs are exact in float32 (or in bfloat16), so that the only errors are
those of the framework's arithmetic. The answer is computed here in float64, by the closed form, with no library that
could be the broken one. For each entry of an answer the `scale` is the same sum with absolute values: floating-point
arithmetic bounds the error by a multiple of it (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
The factor is judged elsewhere (`envkit.checks.tolerance`): here only ``max |error| / scale`` is measured.
"""

import math

_FLOAT32_BITS = 23
_BFLOAT16_BITS = 7


class Numbers:
    """A fixed sequence of numbers in [-1, 1) with few enough bits to be exact.

    A linear congruential generator (Knuth's MMIX constants): the same numbers on every machine and Python.
    """

    def __init__(self, seed, bits=_FLOAT32_BITS):
        """Start at `seed`; each number is a multiple of ``2**-bits``."""
        self.state = seed
        self.bits = bits

    def vector(self, count):
        """`count` numbers."""
        return [self.one() for _ in range(count)]

    def matrix(self, rows, columns):
        """Rows of numbers."""
        return [self.vector(columns) for _ in range(rows)]

    def one(self):
        """The next number."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 20) % 2 ** (self.bits + 1) - 2**self.bits) / 2.0**self.bits


class Answer:
    """What an exercise has to come out as.

    Attributes:
        values: The exact answer, flat, in float64.
        scale: For each entry, what its error is measured by.
        terms: How many roundings can add up in an entry: the ``n`` of the bound.
        arithmetic: In which arithmetic the framework computes: "float32", "bfloat16", "exact".
    """

    def __init__(self, values, scale, terms, arithmetic="float32"):
        """Keep the parts."""
        self.values = values
        self.scale = scale
        self.terms = terms
        self.arithmetic = arithmetic

    def compare(self, found):
        """How far `found`, a flat list of floats, is from the answer."""
        detail = {"terms": self.terms, "arithmetic": self.arithmetic, "elements": len(self.values)}
        if len(found) != len(self.values):
            detail.update(relative_error="shape", worst={"found_elements": len(found)})
            return detail
        worst, where = 0.0, 0
        for index, (value, right, scale) in enumerate(zip(found, self.values, self.scale)):
            error = abs(value - right)
            relative = error / scale if scale else (0.0 if error == 0 else math.inf)
            if not relative <= worst:  # also when it is not a number
                worst, where = relative, index
                if math.isnan(worst):
                    break
        detail["relative_error"] = worst if math.isfinite(worst) else str(worst)
        detail["worst"] = {"index": where, "found": _json(found[where]), "expected": self.values[where]}
        return detail


def _json(value):
    return value if math.isfinite(value) else str(value)


def _dot(a, b):
    return math.fsum(map(float.__mul__, a, b))


def _columns(matrix):
    return [list(column) for column in zip(*matrix)]


def _product(a, b):
    columns = _columns(b)
    return [[_dot(row, column) for column in columns] for row in a]


def _abs(matrix):
    return [[abs(value) for value in row] for row in matrix]


def _flat(matrix):
    return [value for row in matrix for value in row]


def matmul(arithmetic="float32"):
    """A product of matrices whose sizes fit no tile: a (80 x 112), b (112 x 96), Answer."""
    numbers = Numbers(1, _BFLOAT16_BITS if arithmetic == "bfloat16" else _FLOAT32_BITS)
    a, b = numbers.matrix(80, 112), numbers.matrix(112, 96)
    return a, b, Answer(_flat(_product(a, b)), _flat(_product(_abs(a), _abs(b))), 112, arithmetic)


CONVOLUTION = {"batch": 2, "channels": 4, "size": 12, "filters": 8, "kernel": 3, "padding": 1}


def convolution():
    """A convolution as frameworks mean it, padded: x flat (2, 4, 12, 12), w flat (8, 4, 3, 3), Answer."""
    batch, channels, size = CONVOLUTION["batch"], CONVOLUTION["channels"], CONVOLUTION["size"]
    filters, kernel, padding = CONVOLUTION["filters"], CONVOLUTION["kernel"], CONVOLUTION["padding"]
    numbers = Numbers(2)
    x = numbers.vector(batch * channels * size * size)
    w = numbers.vector(filters * channels * kernel * kernel)
    taps = [(c, i, j) for c in range(channels) for i in range(kernel) for j in range(kernel)]
    values, scale = [], []
    for n in range(batch):
        patches = []
        for row in range(size):
            for column in range(size):
                patch = []
                for c, i, j in taps:
                    y, z = row + i - padding, column + j - padding
                    inside = 0 <= y < size and 0 <= z < size
                    patch.append(x[((n * channels + c) * size + y) * size + z] if inside else 0.0)
                patches.append(patch)
        for f in range(filters):
            weights = w[f * len(taps) : (f + 1) * len(taps)]
            magnitudes = [abs(weight) for weight in weights]
            values += [_dot(patch, weights) for patch in patches]
            scale += [_dot([abs(v) for v in patch], magnitudes) for patch in patches]
    return x, w, Answer(values, scale, len(taps))


def _regression_gradients(x, y, w, b):
    """With r = X w + b - y: dw = 2/m X^T r and db = 2/m sum(r), each followed by its scale."""
    over = 2.0 / len(y)
    residuals = [_dot(row, w) + b - target for row, target in zip(x, y)]
    sizes = [_dot([abs(v) for v in row], [abs(v) for v in w]) + abs(b) + abs(target) for row, target in zip(x, y)]
    dw = [over * _dot(column, residuals) for column in _columns(x)]
    dw_size = [over * _dot([abs(v) for v in column], sizes) for column in _columns(x)]
    return dw, dw_size, over * math.fsum(residuals), over * math.fsum(sizes)


def regression(rows=64):
    """The gradient of mean((X w - y)^2) in w, which is 2/m X^T (X w - y): X (rows x 8), y (rows), w (8), Answer.

    A rounding of each residual, then a sum over rows: at most rows + 8 + 6 roundings meet in an entry.
    """
    columns = 8
    numbers = Numbers(3)
    x, y, w = numbers.matrix(rows, columns), numbers.vector(rows), numbers.vector(columns)
    values, scale, _, _ = _regression_gradients(x, y, w, 0.0)
    return x, y, w, Answer(values, scale, rows + columns + 6)


def affine_regression(rows=64):
    """Both gradients of mean((X w + b - y)^2): X (rows x 8), y (rows), w (8), b, Answers for w and b."""
    columns = 8
    numbers = Numbers(6)
    x, y, w, b = numbers.matrix(rows, columns), numbers.vector(rows), numbers.vector(columns), numbers.one()
    dw, dw_size, db, db_size = _regression_gradients(x, y, w, b)
    terms = rows + columns + 7
    return x, y, w, b, [Answer(dw, dw_size, terms), Answer([db], [db_size], terms)]


def _softmax(row):
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _softmax_gradient(ps, above):
    """With p the softmax, met by g from above: dz = p * (g - sum(g * p))."""
    return [p * (g - _dot(above, ps)) for p, g in zip(ps, above)]


def _softmax_gradient_size(ps, sizes):
    return [p * (size + _dot(sizes, ps)) for p, size in zip(ps, sizes)]


def softmax():
    """The softmax of rows and its gradient, met by g from above: z (4 x 8), g (4 x 8), Answers for both.

    An error e of an exponent is a relative error of about e in exp: it counts twice, as in `attention`.
    """
    rows, columns = 4, 8
    numbers = Numbers(7)
    z = [[4 * value for value in row] for row in numbers.matrix(rows, columns)]
    g = numbers.matrix(rows, columns)
    weights = [_softmax(row) for row in z]
    gradient = [_softmax_gradient(ps, above) for ps, above in zip(weights, g)]
    size = [_softmax_gradient_size(ps, above) for ps, above in zip(weights, _abs(g))]
    terms = 2 * 8 + columns + 8
    return z, g, [Answer(_flat(weights), _flat(weights), terms), Answer(_flat(gradient), _flat(size), 2 * terms)]


def _head(q, k, v, g):
    """One head of attention, met by g from above; each argument is a pair: the values, and their sizes.

    With P = softmax(Q K^T / sqrt(d)): out = P V; dV = P^T G; dP = G V^T; dS = P * (dP - rowsum(dP * P));
    dQ = dS K / sqrt(d); dK = dS^T Q / sqrt(d). Return these as such pairs by name, and the tallest score's size.
    """
    root = math.sqrt(len(q[0][0]))
    scores = [[s / root for s in row] for row in _product(q[0], _columns(k[0]))]
    tallest = max(map(max, _product(q[1], _columns(k[1])))) / root
    weights = [_softmax(row) for row in scores]
    dp, dp_size = (_product(one, _columns(other)) for one, other in zip(g, v))
    ds = (
        [_softmax_gradient(ps, row) for ps, row in zip(weights, dp)],
        [_softmax_gradient_size(ps, row) for ps, row in zip(weights, dp_size)],
    )
    found = {
        "out": [_product(weights, part) for part in v],
        "dv": [_product(_columns(weights), part) for part in g],
        "dq": [_scaled(_product(one, other), root) for one, other in zip(ds, k)],
        "dk": [_scaled(_product(_columns(one), other), root) for one, other in zip(ds, q)],
    }
    return found, tallest


def _scaled(matrix, root):
    return [[value / root for value in row] for row in matrix]


ATTENTION = {"heads": 2, "tokens": 16, "width": 16}


def attention():
    """The gradients of softmax(Q K^T / sqrt(d)) V, met by G from above: q, k, v, g (heads x tokens x width), Answers.

    An error e of a score is a relative error of about e in exp, so it counts 2 |S| times: once in the exponential,
    once in its sum. Scores stay below `tallest`, from which `terms` follows.
    """
    heads, tokens, width = ATTENTION["heads"], ATTENTION["tokens"], ATTENTION["width"]
    numbers = Numbers(4)
    q, k, v, g = ([numbers.matrix(tokens, width) for _ in range(heads)] for _ in range(4))
    each = [_head(*((part[head], _abs(part[head])) for part in (q, k, v, g))) for head in range(heads)]
    terms = math.ceil(2 * (width + 4) * max(tallest for _, tallest in each)) + 3 * tokens + 2 * width + 16
    answers = [
        Answer(*([x for found, _ in each for x in _flat(found[name][part])] for part in (0, 1)), terms=terms)
        for name in ("dq", "dk", "dv")
    ]
    return q, k, v, g, answers


MULTI_HEAD = {"heads": 4, "tokens": 8, "width": 4}


def multi_head():
    """Multi-head attention and its gradients, met by G from above: x, (W_Q, W_K, W_V, W_O), g, Answers by name.

    With heads h: Concat(head_1, ..., head_h) W_O, where head_i = Attention(X W_Q[i], X W_K[i], X W_V[i]) and W[i] are
    the columns of head i. X and G are tokens x model, the weights model x model, a fourth of other numbers so that
    scores stay small. The answers are "out" and the gradients "dx", "dwq", "dwk", "dwv" and "dwo". Roundings are
    counted as in `attention`, with those of the projections: an error of a weight of the softmax counts twice.
    """
    heads, tokens, width = MULTI_HEAD["heads"], MULTI_HEAD["tokens"], MULTI_HEAD["width"]
    model = heads * width
    numbers = Numbers(8)
    x, g = numbers.matrix(tokens, model), numbers.matrix(tokens, model)
    weights = [_scaled(numbers.matrix(model, model), 4.0) for _ in range(4)]
    pairs = {"x": (x, _abs(x)), "g": (g, _abs(g))}
    (wq, wk, wv, wo) = ((w, _abs(w)) for w in weights)
    above = [_product(one, _columns(other)) for one, other in zip(pairs["g"], wo)]
    projected = [[_product(one, other) for one, other in zip(pairs["x"], w)] for w in (wq, wk, wv)]
    found, tallest = [], 0.0
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        parts = [[[row[own] for row in matrix] for matrix in pair] for pair in (*projected, above)]
        one, tall = _head(*parts)
        found.append(one)
        tallest = max(tallest, tall)
    joined = {
        name: [[[v for one in found for v in one[name][part][row]] for row in range(tokens)] for part in (0, 1)]
        for name in ("out", "dq", "dk", "dv")
    }
    answers = {
        "out": [_product(one, other) for one, other in zip(joined["out"], wo)],
        "dwo": [_product(_columns(one), other) for one, other in zip(joined["out"], pairs["g"])],
        "dx": [[[0.0] * model for _ in range(tokens)] for _ in (0, 1)],
    }
    for name, w in (("q", wq), ("k", wk), ("v", wv)):
        gradient = joined["d" + name]
        answers["dw" + name] = [_product(_columns(one), other) for one, other in zip(pairs["x"], gradient)]
        back = [_product(one, _columns(other)) for one, other in zip(gradient, w)]
        answers["dx"] = [_sum(one, other) for one, other in zip(answers["dx"], back)]
    terms = math.ceil(4 * (2 * model + width + 4) * tallest) + 4 * tokens + 6 * model + 3 * width + 16
    return x, weights, g, {name: Answer(_flat(v), _flat(size), terms) for name, (v, size) in answers.items()}


def _sum(a, b):
    return [[one + other for one, other in zip(*rows)] for rows in zip(a, b)]


def elementwise():
    """max(2 x + 1, 0) * x on small integers, exact in every arithmetic: x, Answer."""
    x = [float(value) for value in range(-512, 512)]
    values = [max(2 * value + 1, 0.0) * value for value in x]
    return x, Answer(values, [1.0] * len(x), 0, "exact")


def steps():
    """A staircase for trees: x (64 rows of one number), y, Answer.

    A tree of two levels takes it in exactly: the first split halves it, since the stairs are uneven.
    """
    x = [[float(value)] for value in range(64)]
    y = [(0.0, 2.0, 8.0, 12.0)[value // 16] for value in range(64)]
    return x, y, Answer(y, [1.0] * len(y), 0, "exact")


def neighbours(count=4):
    """Points on a grid, and points beside some of them: base (256 x 16), queries (8 x 16), distances as Answer.

    Squared distances to the `count` nearest ones, in order: integers, exact in float32.
    """
    numbers = Numbers(5, bits=3)
    base = [[8 * value for value in row] for row in numbers.matrix(256, 16)]
    queries = [[base[31 * index][0] + 1, *base[31 * index][1:]] for index in range(8)]
    values = []
    for query in queries:
        values += sorted(math.fsum((a - b) ** 2 for a, b in zip(query, point)) for point in base)[:count]
    return base, queries, Answer(values, [1.0] * len(values), 0, "exact")


def worst_of(details):
    """Of several comparisons, the one that is furthest off: what is no number comes first."""
    return max(details, key=lambda d: d["relative_error"] if isinstance(d["relative_error"], float) else math.inf)


FIGURE_SIZE = {"cpu": 1024, "gpu": 4096}
"""Rows of the matrices by which throughput is measured, by the kind of device."""

FIGURE_PRODUCTS = {"cpu": 1, "gpu": 8}
"""Products that are asked for before one waits: starting one takes a GPU a tenth of the time of the product."""


class Exercises:
    """The exercises on one device; a probe says how its framework does each step.

    A subclass lists its `checks` and has the steps that they need: `array` brings numbers to the device, `flat` brings
    them back as floats, `product`, `convolve`, `regress` and `attend` compute. Checks of its own are methods.
    """

    checks = ("matmul", "bf16", "conv", "regression-gradient", "attention-gradient", "throughput")

    def run(self, probe, device, without=()):
        """Run all checks, in the order in which one explains the next."""
        for check in self.checks:
            if check not in without:
                action = getattr(self, check.replace("-", "_"))
                probe.check(check, device, lambda action=action: self.on_device(action))

    def on_device(self, action):
        """Run with everything placed on the device."""
        return action()

    def matmul(self):
        """A product in float32."""
        a, b, answer = matmul()
        return answer.compare(self.flat(self.product(self.array(a), self.array(b))))

    def bf16(self):
        """A product in bfloat16."""
        a, b, answer = matmul("bfloat16")
        found = self.product(self.array(a, dtype="bfloat16"), self.array(b, dtype="bfloat16"))
        return answer.compare(self.flat(found))

    def conv(self):
        """A convolution, on NVIDIA GPUs through cuDNN."""
        x, w, answer = convolution()
        c = CONVOLUTION
        image = self.array(x, (c["batch"], c["channels"], c["size"], c["size"]))
        filters = self.array(w, (c["filters"], c["channels"], c["kernel"], c["kernel"]))
        return answer.compare(self.flat(self.convolve(image, filters, c["padding"])))

    def regression_gradient(self):
        """The gradient of a linear regression."""
        x, y, w, answer = regression()
        return answer.compare(self.flat(self.regress(self.array(x), self.array(y), self.array(w))))

    def attention_gradient(self):
        """The gradients of scaled dot-product attention."""
        q, k, v, g, answers = attention()
        found = self.attend(*(self.array(part) for part in (q, k, v, g)))
        return worst_of([answer.compare(self.flat(part)) for answer, part in zip(answers, found)])
