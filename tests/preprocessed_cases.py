"""Preprocessed cases in memory, for the tests of training."""

import numpy as np


class Cases:
    """Stand-in for nnU-Net's data set class."""

    def __init__(self, names):
        rng = np.random.default_rng(5)
        self.identifiers = names
        self.cases = {}
        for name in names:
            segmentation = np.full((1, 24, 20, 22), -1, np.int16)
            segmentation[:, 2:-2, 2:-2, 2:-2] = 0
            segmentation[:, 10:13, 4:7, 12:15] = 1
            self.cases[name] = (rng.standard_normal((2, 24, 20, 22)).astype(np.float32), segmentation, None, {})

    def load_case(self, name):
        return self.cases[name]
