"""Files that users bring: one module for each format.

To add a format of packages, write a module with two functions and append it to ``_FORMATS`` in
`envkit.inputs.recognise`:

- ``is_<format>(data) -> bool``: recognise it by its content;
- ``parse_<format>(data, path) -> Recipe | Locked``: bytes to a value of `envkit.models.inputs`. It raises `RecipeError`
  with the place in the file, and quotes nothing that may be a password.

The command line and the verbs know the two values only.
"""
