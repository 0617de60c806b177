"""The demo's phantoms of whole heads are converted: every lesion keeps its side and place."""

import numpy as np
import SimpleITK as sitk
from conversion_runs import DS004199

from nnunet_tv.demo.dataset import TRUTH, make_dataset
from nnunet_tv.demo.phantom import PhantomOptions
from nnunet_tv.demo.pose import Pose
from nnunet_tv.utils.files import read_json


def test_lesions_keep_their_side_and_place(tmp_path):
    """Centres of nnU-Net's labels, read by ITK, against the lesions drawn in template space.

    All protocols, and one mask on another grid than its FLAIR.
    """
    tree, folder = tmp_path / "in", tmp_path / DS004199.folder
    cases = make_dataset(tree, patients=4, controls=2, test=1, seed=3, progress=False,
                         options=PhantomOptions(resolution_mm=5.0, lesion_radius_mm=(14.0, 18.0)))
    assert DS004199(tree, tmp_path, "--split", "official", "--controls", "test", "--repeats", "1") == 0
    content = (folder / "dataset.json").read_text()
    assert '"synthetic": true' in content and '"name": "Synthetic phantoms' in content
    assert "openneuro" not in content.lower()
    paths = {path.name[:-7]: path for path in folder.glob("labels*/*.nii.gz")}
    assert paths.keys() == set(cases) and any((folder / "labelsTs").iterdir())
    for case, path in paths.items():
        image, record = sitk.ReadImage(str(path)), read_json(tree / TRUTH / f"{case}.json")
        indices, lesion = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1], record["lesion"]
        assert bool(len(indices)) == bool(lesion)
        if lesion:
            lps = image.TransformContinuousIndexToPhysicalPoint(indices.mean(axis=0).tolist())
            found = Pose.from_json(record["t1_pose"]).to_template(np.array([lps]) * (-1, -1, 1))[0]
            assert ("L" if found[0] < 0 else "R") == lesion["hemisphere"]
            assert np.linalg.norm(found - lesion["centre_mm"]) < lesion["radius_mm"]
