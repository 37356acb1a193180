"""Exact facts, group by group. A fact is a generator of (name, site, value) over a Case."""
