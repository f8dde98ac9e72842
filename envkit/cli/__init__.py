"""The command line: flags to values to verbs to rendering to exit codes. The only layer that prints."""
