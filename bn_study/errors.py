"""The one error that is the user's to mend."""


class UsageError(Exception):
    """Bad input. The message says in one or two lines what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
