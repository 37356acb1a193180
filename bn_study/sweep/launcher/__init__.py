"""How the workers of a call are started, watched and stopped: a file for each `launcher=`.

A launcher's file defines run(call, progress, *, ...) -> Ending, with options from conf/launcher/, and three constants:
HERE: whether its workers are on this machine and end with the call.
TIMEOUT: whether it ends a run that takes longer than `timeout`.
WORKERS: the option that says how many workers there are unless `workers` does, or None for as many as cores allow.
A launcher whose workers go on by themselves (`run --detach`) defines two more functions:
joined(call) -> the call whose workers are at work for the same experiment already, else this one.
jobs(experiment, store) -> the `sweep.jobs.Job`s of an experiment, which `status` lists and `cancel` ends.
check(*, ...), if there is one, raises UsageError for options that do not go together.
NEEDS, if there is one, says what pip installs for the packages that bn-study itself does not bring, as
{"submitit": "bn-study[slurm]"}. They are imported within functions, because `status` imports all launchers' files.
"""
