"""The API for Python programs: what ``import envkit`` offers.

It lives in a process that belongs to somebody else, so it imports the standard library only, loads nothing native,
prints nothing and leaves no process behind. What is on the volume it reads itself; whatever needs more is done by the
command line in a child process, whose JSON documents are the only contract between the two.
"""
