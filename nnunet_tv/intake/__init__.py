"""Scans as people keep them (BIDS, folders, NIfTI files, DICOM) -> cases of one T1w and one FLAIR each."""
