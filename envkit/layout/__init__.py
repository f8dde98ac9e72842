"""The volume on disk: where things are, and the order in which they come to be."""
