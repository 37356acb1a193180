"""One small file per measure: one number per run, which a claim or a tuning asks of the run's records.

A measure's file defines two functions with the same keyword arguments, which an experiment file gives:
measure(run, *, ...) -> the number, unscaled. NaN means "not reached" for `steps_to` and "not defined" for the others.
needs(*, ...) -> the records that it reads, so that `plan` can refuse what no run will have recorded.
Only `measure` takes `level`, which depends on the data set: a claim or a tuning gives it in its own `level`.
reach(records, steps, **options) -> the values that it can take, from those of its records, in the order of `needs`, and
    the steps at which they are measured; a file may leave it out where any number is possible.
RISES, where a file has it, says that the measure waits until a record rises, so that less of it must not be better.
REPLACEMENT, where a file has it, says what stands for a run without a value; see `measures.Measure.replacement`.
"""
