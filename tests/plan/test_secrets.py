"""Names of secrets are refused, and URLs lose what is secret in them."""

import pytest

from bn_study.errors import UsageError
from bn_study.plan import secrets


@pytest.mark.parametrize(
    "key",
    ["password", "optimizer.api_key", "WANDB_API_KEY", "launcher.extra.token", "mirror.authToken", "client-secret",
     "aws_access_key_id", "db.passwd", "privateKey", "credentials"],
)  # fmt: skip
def test_names_of_secrets_are_refused(key):
    with pytest.raises(UsageError, match=r"looks like a secret.* environment"):
        secrets.refuse(key, "command line")


def test_names_of_the_vocabulary_are_not():
    for key in ("model.dropout", "dataset.path", "optimizer.keras", "norm.epsilon", "probe.activations.units"):
        secrets.refuse(key, "command line")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:canary@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://canary@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://user:ca/na@ry@example.org/b.git?access=canary#canary", "https://example.org/b.git"),
        ("ssh://git:canary@example.org:22/a", "ssh://example.org:22/a"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("bn-study run 'dataset.path=s3://key:canary@bucket/x.npz' seed=1",
         "bn-study run 'dataset.path=s3://bucket/x.npz' seed=1"),
    ],
)  # fmt: skip
def test_urls_keep_scheme_host_and_path(url, kept):
    assert secrets.without_credentials(url) == kept
