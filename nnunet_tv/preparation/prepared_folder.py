"""The folder that ``nnunet-tv-prepare`` writes and ``nnUNetv2_predict -i`` reads."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from nnunet_tv.preparation.provenance import ENDING as RECORD
from nnunet_tv.utils.files import read_json, write_json
from nnunet_tv.utils.shared_folder import SharedFolder

IMAGE, TRANSFORM = ".nii.gz", ".tfm"
TABLE, PAGE = "preparation.tsv", "qc.html"


class PreparedFolder(SharedFolder):
    """Paths of a folder of prepared cases, such as ``imagesTs``.

    ``qc`` has one picture per case, ``scans`` the scans converted from DICOM on their own grids, and ``transforms``
    the registrations as ITK transforms.
    """

    STATE: ClassVar[str] = ".preparation"
    COMMAND: ClassVar[str] = "nnunet-tv-prepare"
    FOLDERS: ClassVar[tuple[str, ...]] = ("qc",)
    COMPLETE: ClassVar[tuple[str, ...]] = (TABLE, PAGE)
    FILES: ClassVar[tuple[tuple[str, str], ...]] = (
        (".", r"(.+)_\d{4}\.nii\.gz|(.+)\.prep\.json|(.+\.nii\.gz)"), ("qc", r"(.+)\.png"),
        ("scans", r"(.+)_[^_]*\.nii\.gz"), ("transforms", r"(.+)_(?:flair_to_t1|t1_to_template)\.tfm"))

    def scan(self, case: str, channel: str) -> Path:
        """Path of a scan converted from DICOM."""
        return self.root / "scans" / f"{case}_{channel}{IMAGE}"

    def outputs(
        self, case: str, channels: Iterable[str], converted: Iterable[str] = (), transforms: Iterable[str] = ()
    ) -> dict[str, Path]:
        """Every file of a case, by a key; `converted` are the channels that came from DICOM."""
        images = {f"{index:04d}": self.root / f"{case}_{index:04d}{IMAGE}" for index, _ in enumerate(channels)}
        return {**images, **{channel: self.scan(case, channel) for channel in converted},
                **{name: self.root / "transforms" / f"{case}_{name}{TRANSFORM}" for name in transforms},
                "picture": self.root / "qc" / f"{case}.png", "record": self.root / f"{case}{RECORD}"}

    def exclusive_files(self) -> Iterator[tuple[str, Path]]:
        """The images."""
        return ((case, path) for case, path in self.files() if path.parent == self.root and path.name.endswith(IMAGE))

    def withdraw(self, case: str) -> None:
        """Delete all files of a case."""
        for path in [path for name, path in self.files() if name == case]:
            self.begin_change()
            path.unlink()
        self.record_path(case).unlink(missing_ok=True)

    def study_names(self) -> dict[str, str]:
        """Case names of DICOM studies that earlier runs gave, by study key."""
        try:
            content = read_json(self.state / "studies.json")
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_study_names(self, names: Mapping[str, str]) -> None:
        """Keep the case names, so that a study gets the same name in later runs."""
        write_json(dict(names), self.state / "studies.json")
