"""Pure checks: a solution, a package or a report against what it should be."""
