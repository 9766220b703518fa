"""Learning: datasets, predictive models, their gate and their snapshots."""
