"""From requests to sums by step, model and column, in which each observation counts once."""
