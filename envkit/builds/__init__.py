"""From a channel's record to what it means for a GPU: pure, total, and the same for every channel."""
