"""Brain mask by FSL's BET (Smith, Hum Brain Mapp 2002)."""

from nnunet_tv.brain.program import HEAD, BrainProgram

# -R: the centre is estimated repeatedly, so that a neck in view does not pull it down
METHOD = BrainProgram("fsl", "bet", (HEAD, "brain", "-R", "-m", "-n"), ("brain_mask.nii.gz",),
                      "install FSL and set FSLDIR", home="FSLDIR")
