"""One file per verb of the command line. A module's docstring is the verb's help.

`REQUEST` says whether the verb takes `[EXPERIMENT] OVERRIDE ...`; `arguments` adds its flags; `command` runs it and
returns the exit code; `ORDER`, a number, is its place in the help; `EPILOG`, if it is there, ends the verb's help
instead of the words about overrides. Modules import only the standard library at the top, so that `--help` is fast.
"""
