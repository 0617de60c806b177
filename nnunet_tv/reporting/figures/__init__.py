"""Curves, and one picture per case."""
