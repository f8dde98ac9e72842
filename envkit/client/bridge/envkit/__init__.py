"""envkit, for a program that went on inside an environment, where envkit is not installed.

`Environment.activate` puts the folder above on PYTHONPATH: it holds this alone, so nothing else of the Python that
the program came from can be imported by accident.
"""

import os as _os

_here = _os.path.dirname(_os.path.abspath(__file__))
_real = _os.path.dirname(_os.path.dirname(_os.path.dirname(_here)))
__path__ = [_real]
__file__ = _os.path.join(_real, "__init__.py")
if __spec__ is not None:
    __spec__.submodule_search_locations = __path__
with open(__file__, encoding="utf-8") as _file:
    exec(compile(_file.read(), __file__, "exec"))  # noqa: S102 - our own file, under our own name
