"""Refuse secrets in settings, because settings are hashed, printed and stored with every run."""

import re

from bn_study.errors import UsageError

_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|api[_-]?key|(access|private)[_-]?key|credential", re.IGNORECASE)
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?#]*)[?#][^\s'\"]*", re.IGNORECASE)


def refuse(key: str, where: str) -> None:
    """Raises UsageError for a setting whose name suggests a secret. The message leaves out the value."""
    if _NAME.search(key):
        raise UsageError(
            f"{where}: {key} looks like a secret, and settings are stored with every run; "
            "take it out and give it to the program that needs it through the environment"
        )


def refuse_credentials(text: str, key: str, where: str) -> None:
    """Raises UsageError for a setting that holds a URL with credentials. The message leaves out the URL."""
    if without_credentials(text) != text:
        raise UsageError(
            f"{where}: {key} has a URL with a user, a password or a query, and settings are stored with every run; "
            "take these out and give them to the program that needs them through the environment"
        )


def without_credentials(text: str) -> str:
    """The text with every URL in it reduced to scheme, host and path: no user, no password, no query."""
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))
