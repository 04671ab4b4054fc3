"""The settings and what they may be; the environment is read nowhere else."""
