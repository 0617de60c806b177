"""The record of a training run: how the model was trained, on what, and by which versions."""
