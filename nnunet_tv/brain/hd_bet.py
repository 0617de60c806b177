"""Brain mask by HD-BET (Isensee et al., Hum Brain Mapp 2019)."""

from nnunet_tv.brain.program import HEAD, BrainProgram

METHOD = BrainProgram(
    "hd-bet", "hd-bet", ("-i", HEAD, "-o", "brain.nii.gz", "-device", "cpu", "--disable_tta", "--save_bet_mask"),
    ("brain_bet.nii.gz", "brain_mask.nii.gz"),  # the second is the name in HD-BET 1
    "pip install hd-bet")
