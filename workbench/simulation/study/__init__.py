"""Studies of policies on the array worlds: what each would earn, what list it leaves, and how far that is from the best possible."""
