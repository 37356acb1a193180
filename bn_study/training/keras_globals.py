"""Keras' process-wide settings, which keras.json, the environment or a notebook may have changed."""

import keras

from bn_study.errors import UsageError


def pin() -> None:
    """Set everything that Keras would otherwise take from the machine, so that runs do not depend on it.

    Call it before building anything. Raises UsageError if Keras was imported with a backend other than TensorFlow,
    which cannot be changed afterwards.
    """
    if keras.config.backend() != "tensorflow":
        raise UsageError(
            f"this process imported Keras with the backend {keras.config.backend()}; networks here need tensorflow. "
            "Start it with KERAS_BACKEND=tensorflow"
        )
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
