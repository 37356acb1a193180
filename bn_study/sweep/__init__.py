"""A sweep: which runs are missing, the workers that train them, and what that costs."""
