"""HTML pages: each is one file that loads nothing and escapes all text. Templates stand in ``templates/``."""
