"""bn_study answers questions about batch normalization with evidence."""
