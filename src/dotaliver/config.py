"""Every parameter of a score, declared once.

`ScoringConfig` holds what changes the answer and is hashed into the record; `ExecutionConfig` holds what must
not change it. Each constant gives its unit in its name and its source in its description.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel
from dotaliver.protocol import Range, TrialProtocol, default_protocol

__all__ = [
    "AcquisitionConfig",
    "AssumedValues",
    "BurdenConfig",
    "ExecutionConfig",
    "Inc4Config",
    "Inc7Config",
    "KrenningConfig",
    "LesionConfig",
    "LiverConfig",
    "PeakConfig",
    "ReferenceConfig",
    "ScoringConfig",
    "load_config",
]


class AssumedValues(FrozenModel):
    """What the user states in place of the files, each recorded as an assumption."""

    weight_kg: float | None = Field(default=None, gt=0)
    dose_mbq: float | None = Field(default=None, gt=0)
    judge_other_tracer: bool = Field(
        default=False,
        description="Answer the receptor criteria although tracer or nuclide is not the protocol's",
    )


class AcquisitionConfig(FrozenModel):
    """When the way a PET or CT was made is doubted."""

    voxel_limit_mm: float = Field(default=5.5, description="PET voxels above this raise VOXELS_LARGE (EARL: 3 to 4 mm)")
    slice_limit_mm: float = Field(default=5.0, description="Slices above this raise SLICES_THICK (RECIST 1.1)")
    reference_time_tolerance_percent: float = Field(
        default=1.0,
        description="Change of SUV between two valid reference times that is flagged (dcm2niix #983)",
    )


class PeakConfig(FrozenModel):
    """SUVpeak: the highest mean over a 1 ml sphere centred on any voxel of a lesion."""

    sphere_ml: float = Field(default=1.0, gt=0, description="PERCIST 1.0 (Wahl 2009): 1 ml, radius 6.204 mm")
    subsamples: int = Field(default=8, ge=1, description="Probes per voxel and axis for the part inside the sphere")


class ReferenceConfig(FrozenModel):
    """The normal-liver sphere: Hirata 2014's calmest sphere, kept off lesions, border and vessels."""

    diameters_mm: tuple[float, ...] = Field(
        default=(30.0, 25.0, 20.0, 15.0), description="Tried in this order; PERCIST's sphere is 30 mm"
    )
    border_margin_mm: float = Field(default=10.0, description="From the sphere's surface to the liver's border")
    lesion_margin_mm: float = Field(default=10.0, description="From the sphere's surface to a candidate lesion")
    low_mode_tolerance: float = Field(
        default=0.20, description="How far a sphere's mean may lie from the liver's low mode, relative"
    )
    low_mode_min_ml: float = Field(default=15.0, description="Lesion-free liver below this gives no low mode")
    low_mode_min_share: float = Field(
        default=0.02, description="Share of the liver's volume that the low mode must at least hold"
    )
    suv_mean_range: Range = Field(
        default=Range(low=2.3, high=12.4),
        description="Normal liver, 68Ga-DOTATATE/-NOC, 81 patients: 2.3 to 12.4",
    )


class Inc7Config(FrozenModel):
    """When a lesion's uptake is above normal liver."""

    level: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Share of lesion-free livers whose highest 1 ml mean stays under U",
    )
    independent_ml: float = Field(
        default=1.0, gt=0, description="Liver volume that holds one independent 1 ml mean, in ml"
    )
    minimum_spheres: int = Field(default=30, description="1 ml means needed to measure their SD")
    minimum_relative_sd: float = Field(
        default=0.02, description="Lower bound of S over L: no scanner is calmer over 1 ml"
    )
    assumed_relative_sd: float = Field(
        default=0.08,
        description="S over L where too little lesion-free liver is left (liver 1 ml means, 5 to 8 %)",
    )
    small_lesion_mm: float = Field(
        default=12.0,
        description="Lesions under this are too small for PET to say that they are not above liver",
    )
    hot_neighbour_margin_mm: float = Field(
        default=15.0, description="Spill-in reaches about two resolutions from a hot neighbour"
    )
    resolution_mm: float = Field(
        default=6.0,
        ge=0,
        description="Width at half height of a point on the PET (5 to 7 mm): parenchyma nearer than this to a lesion "
        "or to the liver's border is blurred and says nothing of noise",
    )
    unknown_liver_ml: float = Field(
        default=1500.0, gt=0, description="Liver volume taken for U where no liver is outlined (normal 1.0 to 2.2 l)"
    )


class Inc4Config(FrozenModel):
    """When a diameter is too near to its threshold to be sure."""

    reader_variation: float = Field(
        default=0.22,
        ge=0,
        description="Relative difference between two readers of one diameter (95 % limits -22 to +25 %, Yoon 2016)",
    )


class KrenningConfig(FrozenModel):
    """Where the modified Krenning grades part, in SUVpeak over the normal-liver mean."""

    none_ratio: float = Field(
        default=0.3,
        ge=0,
        description="Grade 0 up to here where no blood pool is known (blood pool under SUV 2, liver about 5 to 7)",
    )
    similar_ratio: float = Field(
        default=0.73,
        ge=0,
        description="Grade 2 from here: 27 % is the repeatability of one lesion's peak (EJNMMI Res 2019, 0569-7)",
    )


class BurdenConfig(FrozenModel):
    """Tumour volume over liver volume, with its interval."""

    grid_mm: float = Field(default=2.0, gt=0, description="Spacing of the grid on which borders are moved")


class LiverConfig(FrozenModel):
    """The liver outline."""

    coarse_mm: float = Field(default=4.0, ge=4.0, description="The fixed grid of whole-image steps")
    border_uncertainty_ct_mm: float = Field(
        default=1.5, ge=0, description="One-sided uncertainty of an outline drawn on CT"
    )
    border_uncertainty_pet_mm: float = Field(
        default=4.0, ge=0, description="One-sided uncertainty of an outline drawn on PET alone"
    )
    border_uncertainty_imported_mm: float = Field(
        default=1.5,
        ge=0,
        description="One-sided uncertainty of an outline that a reader or another program drew",
    )
    volume_range_ml: Range = Field(
        default=Range(low=700.0, high=4000.0),
        description="Livers outside are flagged (normal 1.0 to 2.2 l; massive disease more)",
    )


class LesionConfig(FrozenModel):
    """The lesions in the liver."""

    method: str = Field(
        default="edge",
        description="edge, fixed_suv10, percent41, percent50, liver_2sd or percist: how far a lesion reaches",
    )
    minimum_ml: float = Field(default=0.15, ge=0, description="Smaller foci are noise on any PET (a sphere of 6.6 mm)")
    border_uncertainty_mm: float = Field(
        default=1.5,
        ge=0,
        description="One-sided uncertainty of a lesion's border, about a third of the resolution",
    )
    border_uncertainty_imported_mm: float = Field(default=1.5, ge=0, description="The same for imported lesions")
    in_liver_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of a lesion that must lie in the liver to count as a liver lesion",
    )


class ScoringConfig(FrozenModel):
    """Everything that changes the answer."""

    protocol: TrialProtocol = Field(default_factory=default_protocol)
    segmenter: str = "petct"
    assume: AssumedValues = AssumedValues()
    acquisition: AcquisitionConfig = AcquisitionConfig()
    liver: LiverConfig = LiverConfig()
    lesions: LesionConfig = LesionConfig()
    reference: ReferenceConfig = ReferenceConfig()
    peak: PeakConfig = PeakConfig()
    inc7: Inc7Config = Inc7Config()
    inc4: Inc4Config = Inc4Config()
    krenning: KrenningConfig = KrenningConfig()
    burden: BurdenConfig = BurdenConfig()

    def sha256(self) -> str:
        """Hash of every setting."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class ExecutionConfig(FrozenModel):
    """What may change how long a score takes, never what it says."""

    threads: int | None = Field(default=None, ge=1, description="ITK threads; None: one per core")
    memory_bytes: int | None = Field(default=None, ge=1, description="Bound of the whole run; None: unbounded")


def load_config(path: Path) -> ScoringConfig:
    """Read a `ScoringConfig` from a TOML or JSON file that names only the settings to change.

    Raises
    ------
    ConfigError
        Where the file cannot be read or a setting is unknown or out of range; the text names both.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data: Any = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: the configuration cannot be read ({error}); give a readable TOML or JSON file"
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        msg = f"{path.name}: not valid TOML or JSON ({error})"
        raise ConfigError(msg) from error
    try:
        return ScoringConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{path.name}: {where}: {first['msg']}"
        raise ConfigError(msg) from error
