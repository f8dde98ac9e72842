"""What `scripts/bench` is made of: rows, the peers they are run with, and what is made of the figures."""
