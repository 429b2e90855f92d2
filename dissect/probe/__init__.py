"""From a network and an annotated image set to counts: activations, exact thresholds, tallies, exemplars, and the cache under them.

`runner.probe` is the way in. Nothing is imported here, so that the command line can name this room without loading torch.
"""
