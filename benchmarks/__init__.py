"""What the README's results table is made by: baselines on a run's split, and the table itself."""
