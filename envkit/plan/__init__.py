"""Choices: which build, what a solver is asked, what to say about it. Pure."""
