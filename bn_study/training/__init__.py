"""Training and measuring one run. Nothing here knows about experiments, claims or figures."""

from bn_study.training import first_use

first_use.install()
