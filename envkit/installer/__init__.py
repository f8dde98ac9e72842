"""The one installer: fetch packages into a volume's cache, link them at a new path. On py-rattler."""
