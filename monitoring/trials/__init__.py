"""Two versions on the same live traffic: guards, pairs, sums."""
