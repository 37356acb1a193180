"""What tests of float32 against float64 mean by equal."""

import numpy as np


def close(ours, theirs, said=""):
    """Equal up to float32's rounding of the largest value; theirs are float64."""
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * abs(theirs).max(), err_msg=said)
