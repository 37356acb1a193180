"""Training and measuring one run. Nothing here knows about experiments, claims or figures."""
