"""A back-off n-gram model over bytes: a baseline and an autocomplete, no large language model.

It is made of integer counts alone, so a record is taken out by subtracting what it added, exactly. Smoothing
(Witten and Bell, 1991) happens when the model is asked, from the counts as they are then.
"""
