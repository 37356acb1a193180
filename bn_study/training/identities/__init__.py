"""Exact facts, grouped by subject. A fact is a generator of (name, site, value) for a Case."""
