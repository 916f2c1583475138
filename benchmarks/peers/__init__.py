"""Other servers of the same model, each in an environment of its own, and two floors; started as their makers say."""
