"""One small file per place where people look at runs: a stored run -> Weights & Biases, TensorBoard.

A mirror's file defines export(run, folder, *, ...) -> the path that it wrote, with options from conf/mirror/, and LOOK,
the command that shows what is in {folder}. It imports its library within the function. Files are the record, mirrors
are copies: what is exported again is replaced. Files whose names begin with an underscore are shared by mirrors.
"""
