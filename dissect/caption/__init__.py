"""What does a unit mean in words: exemplars, a captioner, a language model, and descriptions that say more of this unit than of any.

Arrays in, arrays out; nothing is imported here, so that the command line can name this room without loading torch.
"""
