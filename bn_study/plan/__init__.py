"""Parts, runs and experiments, and how YAML and overrides become them."""
