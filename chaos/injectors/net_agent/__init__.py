"""What runs in a struck pod: standard library only, on any Python from 3.9 on; delivered as text, imported by nobody else."""
