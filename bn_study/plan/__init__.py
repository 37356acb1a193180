"""What is asked: parts, runs, experiments, and how YAML and overrides become them."""
