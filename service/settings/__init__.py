"""Settings and their limits; the environment is read nowhere else."""
