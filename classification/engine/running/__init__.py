"""Training and testing: the Runner, its hooks, and what a run leaves in its work dir."""
