"""One file per verb of the command line: what its module says first is its help.

`REQUEST` tells whether it takes `[EXPERIMENT] OVERRIDE ...`; `arguments` adds its flags; `command` carries it out and
returns the exit code. Everything but the standard library is imported within functions, so that `--help` is there at
once. Files whose names begin with an underscore are shared by verbs.
`ORDER`, a number, says where the help lists it, the smallest first.
"""
