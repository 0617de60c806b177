"""Registration of FLAIR to T1w and of T1w to MNI152: starting pose, similarity, refinement, backends."""
