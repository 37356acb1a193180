"""The error that the user can fix."""


class UsageError(Exception):
    """Bad input. The message says in one or two lines what is wrong, where it is, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
