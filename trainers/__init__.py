"""nnU-Net trainers; nnU-Net imports each file of this folder by its bare name, so they stay thin."""
