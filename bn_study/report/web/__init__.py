"""Pages to look at evidence with: single files that open from a disk, without a server and without a network.

`content.py` gathers what a page shows of runs, `pages.py` renders; page.js and page.css are what is in every page.
"""
