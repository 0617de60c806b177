"""The converters on phantoms of whole heads: every lesion keeps its side and place."""

from __future__ import annotations

import head_phantoms
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_tv.cli.convert import main


@pytest.mark.parametrize(("write", "source", "command", "dataset"), [
    (head_phantoms.write_ds004199, "", ["ds004199", "--space", "none", "--split", "official", "--controls", "test"],
     "DatasetFCD"),
    (head_phantoms.write_bonbid, "", ["bonbid-hie"], "DatasetBONBID"),
    (head_phantoms.write_mets, "", ["brain-mets-lung", "--label", "core"], "DatasetBrainMets"),
    (head_phantoms.write_pairs, "table.tsv", ["pairs", "--space", "none", "--controls", "test"], "DatasetPairs"),
], ids=["ds004199", "bonbid-hie", "brain-mets-lung", "pairs"])
def test_lesions_keep_their_side_and_place(tmp_path, write, source, command, dataset):
    """Centres of nnU-Net's labels, read by ITK, against the lesions drawn in template space."""
    truth = write(tmp_path / "in")
    assert main([*command, "-i", str(tmp_path / "in" / source), "-o", str(tmp_path), "-np", "1", "--repeats", "1"]) == 0
    assert any((tmp_path / dataset / "labelsTs").iterdir())
    paths = {path.name[:-7]: path for path in tmp_path.glob(f"{dataset}/labels*/*.nii.gz")}
    for case, path in paths.items():
        image = sitk.ReadImage(str(path))
        indices = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
        assert bool(len(indices)) == (case in truth)
        if case in truth:
            lesion, pose = truth[case]
            lps = image.TransformContinuousIndexToPhysicalPoint(indices.mean(axis=0).tolist())
            found = pose.to_template(np.array([lps]) * (-1, -1, 1))[0]
            assert ("L" if found[0] < 0 else "R") == lesion.hemisphere
            assert np.linalg.norm(found - lesion.centre_mm) < lesion.radius_mm
    assert truth.keys() <= paths.keys()
