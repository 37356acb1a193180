"""One small file per verdict test: how a claim's `test:` decides from an estimate and the claim's margin.

A test's file defines decide(effect, p, *, margin) -> Finding, where p is adjusted for all contexts of the claim, and:
AGAINST: which end of the range of an imputed value counts against the claim: the "low" end, the "high" end, the end
    "far" from 0, or the value "near"est to 0. With "far" and "near" the margin lies on both sides of 0.
EVERY_SEED: whether the test judges every seed by itself. Then one seed is enough, a missing value is never imputed, and
    the margin is a tolerance.
WORDS: what a figure writes before the margin. CAPTION: what such a claim asks for, in the caption of that figure.
"""
