"""Prediction with trained or imported models, from prepared cases to findings."""
