"""Is the label true: nulls, held-out scores, intervals, causal effects, and the ground truth that these are tested against.

Arrays in, arrays out; nothing is imported here, so that the command line can name this room without loading torch.
"""
