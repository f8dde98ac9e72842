"""The verbs, as straight lines: values in, values out, no printing."""
