"""MetaImage files for tests."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_metaimage(data, affine, path, *, compressed=True) -> None:
    """Write voxels of shape (X, Y, Z) and their affine (RAS+ mm)."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(spacing_mm.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing_mm).ravel().tolist())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=compressed)
