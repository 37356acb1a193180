"""One small file per verdict test: how a claim's `test:` decides from an estimate and the claim's margin.

A test's file defines decide(effect, p, *, margin) -> Finding, where p is adjusted for all contexts of the claim, and:
AGAINST: which end of the values that may stand for a missing one is against the claim: the "low" one, the "high" one,
    or the one "far" from 0. The margin then lies on both sides of 0.
EVERY_SEED: whether it judges every seed by itself. Then one seed is enough, no value may stand for a missing one, and
    the margin is a tolerance.
WORDS: what a figure writes before the margin. CAPTION: what such a claim asks for, for the caption of that figure.
"""
