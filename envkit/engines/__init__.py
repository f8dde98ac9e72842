"""The only door to solvers and channel indexes."""
