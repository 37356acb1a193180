"""One small file per viewer to which stored runs are exported: Weights & Biases, TensorBoard.

A mirror's file defines export(run, folder, *, ...) -> the path that it wrote, with options from conf/mirror/, and LOOK,
the command that shows what is in {folder}. It imports its library within the function, and NEEDS says what pip installs
for it, as {"wandb": "bn-study[wandb]"}, if bn-study itself does not bring it. The files of the store are the record,
and mirrors are copies: exporting a run again replaces its copy. Files whose names begin with an underscore are shared
by mirrors.
"""
