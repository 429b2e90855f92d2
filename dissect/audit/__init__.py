"""Is the network fair: units selective for faces and people's attributes, by description, by response and by effect, with error rates.

Groups come from the data set's card; they are never inferred from pictures.
"""
