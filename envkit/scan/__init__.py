"""The GPU code in files, folders and archives: which files to look at, and reading them."""
