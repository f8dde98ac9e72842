"""Values: what the layers above pass to each other. No IO, no rules."""
