"""Recognition of scans in BIDS trees, folders, NIfTI files or DICOM: cases of one T1w and one FLAIR each."""
