"""A linear map to learn, y = Ax of Gaussian x: the data of the deep linear net in Santurkar et al. 2018.

Source: Sec. 2.2 and Appendix A.1 (25 layers of 10 units, 1,000 examples as one batch). The paper does not state the
scale of A; here its entries have variance 1 / features, so that each target has a variance around 1.
"""

import numpy as np

from bn_study.plan.types import Count, Natural
from bn_study.training.data import Data, Split
from bn_study.training.files import digest

TASK = "regression"
NOTE = ""


def load(*, train: Count, validation: Count, test: Count, features: Count, draw: Natural) -> Data:
    """Inputs (n, features) with independent entries from N(0, 1), and targets (n, features) without noise.

    train, validation, test: examples of each split; the size of one does not change the others. features: of x and y.
    draw: seed of A and of x.
    """
    matrix = np.random.Generator(np.random.PCG64([draw, 3])).normal(0, features**-0.5, (features, features))
    drawn = []
    for number, count in enumerate((train, validation, test)):
        x = np.random.Generator(np.random.PCG64([draw, number])).normal(0, 1, (count, features))
        drawn += [x, x @ matrix.T]
    in_train, in_validation, in_test = (
        Split(x.astype(np.float32), y.astype(np.float32)) for x, y in zip(drawn[::2], drawn[1::2], strict=True)
    )
    return Data(in_train, in_validation, in_test, classes=None, fingerprint=digest([matrix, *drawn[::2]]))
