"""From the checked tree to a plan: which component feeds which. Pure: opens nothing, starts nothing."""
