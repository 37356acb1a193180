"""Web pages of the evidence: single files that open from a disk, without a server or a network.

`content.py` collects a page's data, `pages.py` renders it, `write.py` writes it; page_*.js and page.css are embedded.
"""
