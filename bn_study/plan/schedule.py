"""When a run is measured. Imports no TensorFlow, so that estimating the cost of a plan stays fast."""

import numpy as np

from bn_study.plan.spec import Part, RunSpec


def measuring_points(spec: RunSpec) -> list[tuple[int, list[Part]]]:
    """When to measure: (step, probes), in order of steps. Step 0 and the last step are always included.

    A probe with `every` measures at that interval of steps; the others measure at points evenly spaced on a log scale.
    """
    first = min(spec.schedule["first"], max(spec.steps, 1))
    spaced = np.geomspace(first, max(spec.steps, 1), spec.schedule["points"]).round().astype(int)
    points: dict[int, list[Part]] = {}
    for probe in spec.probes:
        args = dict(probe.args)
        every = args.pop("every")
        steps = spaced if every is None else np.arange(0, spec.steps, every)
        for step in {0, spec.steps, *map(int, steps[steps < spec.steps])}:
            points.setdefault(step, []).append(Part(probe.name, args))
    points.setdefault(spec.steps, [])
    return sorted(points.items())
