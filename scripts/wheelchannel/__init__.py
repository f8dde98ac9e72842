"""A conda channel of real packages, made from PyPI wheels and a running Python interpreter.

The parts, each of which knows only those above it:

    errors        the one exception that reaches a person
    specs         PEP 440 and PEP 508 to conda's versions, names and MatchSpecs (pure)
    artifact      files and a record to the bytes of a `.conda` package
    cuda          what conda says of CUDA and wheels do not (pure)
    interpreter   what a Python is, and whether it can be packaged
    wheels        a resolved wheel to a package: its record (pure) and its files
    relocation    an installed interpreter to a relocatable `python` package
    pip           pip as resolver and downloader, in a child process
    channel       the packages and the index on disk, safe against a kill and a second run
"""
