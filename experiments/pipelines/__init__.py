"""The ways to train a model. A new one is a module with a ``train`` function and an entry in `catalogue`."""
