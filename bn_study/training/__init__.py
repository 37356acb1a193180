"""How a run is made. Nothing here knows about experiments, claims or figures."""
