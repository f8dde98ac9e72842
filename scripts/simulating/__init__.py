"""A model of many nodes that import from one file system: counted operations, published latencies, queues."""
