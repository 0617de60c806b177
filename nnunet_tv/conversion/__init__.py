"""Data sets to nnU-Net raw folders: sources -> plan (with its splits) -> files.

``source`` says what a data set holds, ``splits`` draws, ``plan`` joins both, ``folder`` owns the files of a
raw data set, ``worker`` converts one case, ``writer`` all of them, ``table`` tells what happened.
"""
