"""Experiments of many trainings: which runs there are, what they take, which failed, and what came out."""
