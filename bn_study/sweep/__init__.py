"""A sweep: what is asked for and not yet done, the workers that train it, and what that costs."""
