"""Brain mask by SynthStrip (Hoopes et al., NeuroImage 2022)."""

from nnunet_tv.brain.program import HEAD, BrainProgram

METHOD = BrainProgram("synthstrip", "mri_synthstrip", ("-i", HEAD, "-m", "mask.nii.gz"), ("mask.nii.gz",),
                      "install FreeSurfer 7.3 or later and set FREESURFER_HOME", home="FREESURFER_HOME")
