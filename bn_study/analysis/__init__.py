"""What the runs show. Never imports TensorFlow, Keras, Hydra or the training half."""
