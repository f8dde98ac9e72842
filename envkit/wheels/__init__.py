"""The pip part of environments: resolved to a lock, and installed from it, by uv in a child process."""
