"""The verbs: values in, values out, no printing."""
