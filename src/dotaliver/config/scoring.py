"""Every parameter of a score, declared once.

`ScoringConfig` holds what changes the answer and is hashed into the record; `ExecutionConfig` holds what must
not change it. Each constant gives its unit in its name and its source in its description.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from dotaliver.config.body import BodyConfig
from dotaliver.config.body_ct import BodyCtConfig
from dotaliver.config.body_reading import AnalogueConfig, BodyReadingConfig
from dotaliver.config.clicks import CtClickConfig
from dotaliver.config.criteria import Inc4Config, Inc7Config, KrenningConfig
from dotaliver.config.ct import CtFociConfig, CtLesionConfig, RecistMrConfig
from dotaliver.config.measurement import AcquisitionConfig, BurdenConfig, PeakConfig, ReferenceConfig
from dotaliver.config.netpet import NetpetConfig
from dotaliver.config.organs import BloodPoolConfig, LobeConfig, SpleenConfig
from dotaliver.config.protocol import TrialProtocol, default_protocol
from dotaliver.config.segmentation import LesionConfig, LiverConfig, MaskConfig
from dotaliver.frozen import FrozenModel
from dotaliver.suv.body_size import Normalisation

__all__ = [
    "Analogue",
    "AssumedValues",
    "ExecutionConfig",
    "ScoringConfig",
]


Analogue = Literal["long-acting", "short-acting", "none"]


class AssumedValues(FrozenModel):
    """What the user states in place of the files, each recorded as an assumption."""

    weight_kg: float | None = Field(default=None, gt=0)
    height_m: float | None = Field(default=None, gt=0.3, lt=2.6)
    dose_mbq: float | None = Field(default=None, gt=0)
    injection: datetime | None = Field(default=None, description="When the tracer was given, in the scanner's time")
    reference_time: datetime | None = Field(
        default=None, description="The instant that a START series is decay corrected to, in the scanner's time"
    )
    decay_correction: Literal["START", "ADMIN", "NONE"] | None = Field(
        default=None, description="What the voxels are decay corrected to, where the files contradict themselves"
    )
    relative: bool = Field(
        default=False, description="Score in relative units, without dose, weight or clock; SUVs are left empty"
    )
    analogue: Analogue | None = Field(
        default=None, description="Somatostatin analogue that the patient was given before the scan"
    )
    analogue_date: date | None = Field(default=None, description="When it was last given")
    judge_other_tracer: bool = Field(
        default=False,
        description="Answer the receptor criteria although tracer or nuclide is not the protocol's",
    )

    @model_validator(mode="after")
    def _a_date_is_that_of_an_analogue(self) -> Self:
        if self.analogue_date is not None and self.analogue in {None, "none"}:
            msg = "analogue_date is when an analogue was last given; state long-acting or short-acting as analogue too"
            raise ValueError(msg)
        return self


class ScoringConfig(FrozenModel):
    """Everything that changes the answer."""

    protocol: TrialProtocol = Field(default_factory=default_protocol)
    segmenter: str = "petct"
    normalisation: Normalisation = Field(
        default=Normalisation.BODY_WEIGHT,
        description="What SUV is normalised to: bw, lbm_janmahasatian, lbm_james, bsa or ibw",
    )
    assume: AssumedValues = AssumedValues()
    acquisition: AcquisitionConfig = AcquisitionConfig()
    liver: LiverConfig = LiverConfig()
    lesions: LesionConfig = LesionConfig()
    ct_lesions: CtLesionConfig = CtLesionConfig()
    ct_clicks: CtClickConfig = CtClickConfig()
    body_on_ct: BodyCtConfig = BodyCtConfig()
    reference: ReferenceConfig = ReferenceConfig()
    peak: PeakConfig = PeakConfig()
    inc7: Inc7Config = Inc7Config()
    inc4: Inc4Config = Inc4Config()
    krenning: KrenningConfig = KrenningConfig()
    burden: BurdenConfig = BurdenConfig()
    spleen: SpleenConfig = SpleenConfig()
    blood_pool: BloodPoolConfig = BloodPoolConfig()
    ct_foci: CtFociConfig = CtFociConfig()
    lobes: LobeConfig = LobeConfig()
    body_reading: BodyReadingConfig = BodyReadingConfig()
    analogue: AnalogueConfig = AnalogueConfig()
    masks: MaskConfig = MaskConfig()
    recist_mr: RecistMrConfig = RecistMrConfig()
    body: BodyConfig = BodyConfig()
    netpet: NetpetConfig = NetpetConfig()

    def with_protocol(self, protocol: TrialProtocol | None) -> ScoringConfig:
        """The same settings with another protocol, where there is one."""
        return self if protocol is None else self.model_copy(update={"protocol": protocol})

    def sha256(self) -> str:
        """Hash of every setting."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class ExecutionConfig(FrozenModel):
    """What may change how long a score takes, never what it says."""

    threads: int | None = Field(default=None, ge=1, description="ITK threads; None: one per core")
    memory_bytes: int | None = Field(default=None, ge=1, description="Bound of the whole run; None: unbounded")
    cache: SkipJsonSchema[Path | None] = Field(
        default=None, exclude=True, repr=False, description="Folder of decoded series; not in the record"
    )
    cached: bool = Field(default=False, description="Whether a folder of decoded series was given")

    @model_validator(mode="before")
    @classmethod
    def _say_that_there_is_a_cache(cls, data: object) -> object:
        """Of the folder the record tells no more than that: folders are named after patients."""
        if isinstance(data, dict) and data.get("cache") is not None:
            return {**data, "cached": True}
        return data
