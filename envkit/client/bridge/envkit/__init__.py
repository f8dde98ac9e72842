"""Make envkit importable in an environment that does not have it, for a script that `Environment.activate` restarted.

The folder above is on PYTHONPATH and holds this package only, so nothing else of the first Python can be imported by
accident.
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
