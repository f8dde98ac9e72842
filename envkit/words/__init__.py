"""Every sentence that envkit makes of facts, for people, for ``--json`` texts and for hints.

A fact is a registered code with parameters (`envkit.models.fact`). Each module here holds the sayings of one kind of
fact: a format string whose fields are the fact's parameters, or a function that takes them. Values inside a sentence
(builds, machines, sizes) are worded once, in `values`.
"""
