"""Files that envkit writes for others to read: one module for each format, from values to text.

The same values give the same bytes, so that a file under version control changes only where its content does.
"""
