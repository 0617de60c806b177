"""From trained or imported models to segmentations."""
