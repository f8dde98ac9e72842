"""Commands on the nodes of a cluster: one port, and an adapter for each thing that starts them."""
