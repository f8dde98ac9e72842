"""Channel indexes on this machine, read by name: without the rest of them, and without the native engine."""
