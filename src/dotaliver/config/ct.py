"""Configuration of what CT and MR show: receptor-negative candidates, borders of lesions, the registration of an MR."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = [
    "CtFociConfig",
    "CtLesionConfig",
    "RecistMrConfig",
]


class CtFociConfig(FrozenModel):
    """Focal lesions on CT, which may be receptor-negative."""

    first_label: int = Field(default=901, ge=1, description="Their numbers begin here, far from those of lesions")
    grid_mm: float = Field(default=2.0, gt=0, description="Spacing of the search, unless slices are coarser")
    edge_mm: float = Field(default=3.0, ge=0, description="Nearer to the liver's border density is blurred")
    window_mm: float = Field(default=30.0, description="Gaussian over which parenchyma's density is taken as level")
    parenchyma_min_ml: float = Field(default=100.0, description="Least lesion-free liver for a search")
    radii_mm: tuple[float, ...] = Field(
        default=(4.0, 5.5, 7.5, 10.0, 14.0, 20.0), description="Radii of the search: lesions of 8 to 40 mm"
    )
    ring_radius_mm: float = Field(default=12.0, description="Larger places are compared with `window_mm` alone")
    detect_sd: float = Field(
        default=4.9, description="SDs of noise at a size above which a place is detected (a liver has thousands)"
    )
    least_contrast_hu: float = Field(default=7.5, description="To parenchyma at least; texture varies by less")
    contour_mm: float = Field(default=2.0, description="Gaussian on which the contour at half contrast is drawn")
    contour_ratio: float = Field(default=0.3, description="Or of the place's radius, where that is more")
    contour_share: float = Field(default=0.5, description="Share of the contrast at which the contour runs")
    border_share: float = Field(default=0.45, description="Share of a focus at the liver's border: more is a fissure")
    small_border_share: float = Field(default=0.25, description="The same of a place no wider than a vein")
    cut_share: float = Field(
        default=0.12,
        description="Share at the border from which a dark place is judged as one that the border cuts off",
    )
    most_cut_share: float = Field(default=0.5, description="Share at the border of such a place: more is a blurred rim")
    least_cut_diameter_mm: float = Field(
        default=8.0, description="`least_diameter_mm` of such a place: smaller ones are mostly fat in a fissure"
    )
    least_cut_contrast_hu: float = Field(
        default=10.0, description="`least_contrast_hu` of such a place: a blurred border differs by less"
    )
    longest_cut_ratio: float = Field(default=2.2, description="`longest_ratio` of such a place")
    widest_rim_mm: float = Field(
        default=12.0, description="A place at the border that is larger shows enough of a lesion to be round"
    )
    longest_rim_ratio: float = Field(
        default=1.7, description="Longest over shortest axis of such a larger place: a longer one is a blurred rim"
    )
    cut_fill: float = Field(default=0.6, description="`fill` of such a place")
    cut_fissure_share: float = Field(
        default=1.5, description="`fissure_share` of such a place: fat lies outside the liver beside most"
    )
    fissure_share: float = Field(
        default=0.05, description="Fat and fluid of fissures beside a place, over its volume: more darkens it"
    )
    runs_on_share: float = Field(default=0.15, description="Share of its surface through which it runs on: vessels")
    widest_vessel_mm: float = Field(
        default=15.0, description="A place wider than any vein in the liver may have a vein attached"
    )
    tube_ratio: float = Field(
        default=1.5, description="Longest over shortest axis from which a narrow place may be a piece of a vessel"
    )
    widest_tube_mm: float = Field(
        default=16.0, description="Of a ball as large as such a piece: veins of phantoms gave up to 15.9 mm"
    )
    tube_mm: float = Field(default=10.0, gt=0, description="How far beyond such a place the vessel goes on")
    tube_share: float = Field(
        default=0.6,
        gt=0,
        description="Share of the place's contrast that the vessel has there: on tuning phantoms, 17 of 20 false dark "
        "candidates and one of 96 lesions exceeded it",
    )
    blood_share: float = Field(
        default=0.75, description="A narrow place as bright as this share of the liver's vessels is one of them"
    )
    enhanced_blood_hu: float = Field(default=25.0, description="Vessels this far above liver are enhanced")
    bright_vessels_hu: float = Field(default=12.0, description="And this far above it they may be taken for lesions")
    least_diameter_mm: float = Field(default=7.0, description="Of a ball of equal volume, blurred (EXC6: 10 mm)")
    longest_ratio: float = Field(default=2.0, description="Longest over shortest axis; a tube is longer")
    fill: float = Field(
        default=0.65, description="Volume over that of the ellipsoid with equal spread; branches fill less"
    )
    suspicion_dark: tuple[float, ...] = Field(
        default=(-18.18, 2.33, 5.52, -0.21, -2.96, 11.08, -7.57, -2.93, -0.17),
        min_length=9,
        max_length=9,
        description=(
            "Logistic weights of a dark place: constant, ln SDs, ln HU, ln mm, axis ratio, fill, unevenness, share at "
            "the border, ways out; fitted on the tuning families of scripts/benchmark_receptor_negative.py"
        ),
    )
    suspicion_bright: tuple[float, ...] = Field(
        default=(-11.14, -0.85, 1.88, 0.48, -5.57, 17.24, 5.92, -1.8, -1.37),
        min_length=9,
        max_length=9,
        description="The same of a bright place where vessels are bright too",
    )
    suspicion_at_border: tuple[float, ...] = Field(
        default=(-2.29, -2.38, -0.08, -2.29, -4.49, 17.52, -10.74, 5.38, -0.9, 0.42, -2.99, 7.61, -0.08, 2.25),
        min_length=14,
        max_length=14,
        description=(
            "The same of a dark place that the border cuts off, and: contrast to liver equally deep, over the "
            "contrast; excess of its outer half, over its mean; the first over its mean; ln share of fat beside it; "
            "depth over size"
        ),
    )
    least_form: float = Field(
        default=0.5, description="A place of which these logistic functions give less is no lesion by its form"
    )
    least_suspicion: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="A dark place below this by the stored trees is not offered, nor counted as detectable",
    )
    least_suspicion_bright: float = Field(
        default=0.15, ge=0, le=1, description="The same of a bright place: fewer of them are false"
    )
    inserted_diameters_mm: tuple[float, ...] = Field(
        default=(10.0, 15.0), description="Of the lesions that are put into a CT to see what it can show"
    )
    inserted_contrasts_hu: tuple[float, ...] = Field(
        default=(8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 23.0, 26.0, 30.0, 40.0, 50.0, 60.0),
        description="Contrasts that are tried, ascending",
    )
    inserted_places: int = Field(default=45, ge=10, description="Places that lesions of each size are put at")
    found_share: float = Field(default=0.9, gt=0, le=0.95, description="Share that counts as detectable")
    water_hu: float = Field(default=20.0, description="Below is fluid: a cyst, gallbladder or fat, no solid lesion")
    avid_share: float = Field(
        default=0.3, description="Share of a focus in a lesion on the PET that makes it one with it"
    )
    enclosed_share: float = Field(
        default=0.6,
        gt=0.5,
        le=1,
        description="Share of directions in which one lesion on the PET lies around a focus that makes it that "
        "lesion's core: a lesion beside it fills fewer than half",
    )
    displaced_share: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="Share of a focus within `mismatch_mm` of one lesion on the PET that makes it that lesion",
    )
    beside_avid_suspicion: float = Field(
        default=0.4,
        description="From here on, a focus next to an avid lesion is judged without that lesion's uptake: in "
        "cross-validation 95 % of the lesions put within 6 mm of one reach it, and half of what else lies there",
    )
    reference_diameter_mm: float = Field(default=15.0, description="A lesion that the CT must be able to show")
    largest_contrast_hu: float = Field(
        default=20.0, description="Contrast at which it must be seen: metastases lie 20 to 60 HU below enhanced liver"
    )
    largest_burden: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Tumour share of the liver above which none can be excluded: what is searched is the rest, and "
        "among confluent tumour no lesion is told from another",
    )
    border_uncertainty_mm: float = Field(default=2.0, ge=0, description="One-sided uncertainty of a focus's border")
    mismatch_mm: float = Field(
        default=5.0, ge=0, description="How far, beyond the estimated shift, a focus may lie off on the PET"
    )


class CtLesionConfig(FrozenModel):
    """How a lesion's border is fitted on CT, and when the CT shows it clearly enough to measure it."""

    smooth_fwhm_mm: float = Field(default=2.0, gt=0, description="Gaussian that calms CT noise")
    surroundings_mm: tuple[float, float] = Field(
        default=(4.0, 18.0), description="Liver between these distances from the uptake is compared with"
    )
    capsule_mm: float = Field(default=3.0, ge=0, description="Nearer to the liver's border than this is no parenchyma")
    least_parenchyma_ml: float = Field(default=2.0, gt=0, description="Less liver around says nothing of its density")
    reach_mm: float = Field(
        default=3.5, gt=0, description="How far a border may lie beyond the uptake's: its blur, and mismatch in shape"
    )
    reach_share: float = Field(default=0.2, ge=0, description="And in proportion to the uptake's radius")
    open_border_share: float = Field(
        default=0.06, ge=0, le=1, description="Share of the border that may lie there: more runs into something else"
    )
    confluent_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the liver that tumour fills, above which the CT separates no lesion from the mass",
    )
    most_left_out_shares: tuple[float, float] = Field(
        default=(0.7, 0.45),
        description="Share of the uptake outside of what the CT shows, of small and of large lesions: PET blurs the "
        "small ones",
    )
    part_fwhm_mm: float = Field(default=3.0, gt=0, description="Gaussian on which a part of the uptake is looked for")
    part_share_range: tuple[float, float] = Field(
        default=(0.3, 0.85), description="Share of the uptake that such a part may be"
    )
    part_seen_share: float = Field(default=0.85, ge=0, le=1, description="Share of its border that must show a step")
    well_seen_share: float = Field(default=0.75, description="Share of a border that shows a step: it is well seen")
    well_seen_open_share: float = Field(
        default=0.15, ge=0, le=1, description="Share that may lie beyond the reach of the uptake on a well seen border"
    )
    most_shared_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of the border that faces another lesion; more is confluent disease"
    )
    liver_edge_mm: tuple[float, float] = Field(
        default=(1.0, 1.5), description="How far the liver's outline may be off, and over which width it fades"
    )
    fat_depth_mm: float = Field(default=5.0, description="Nearer to the liver's border than this fat lies outside it")
    fat_hu_below: float = Field(default=75.0, gt=0, description="So much less dense than liver is fat or lung")
    fat_blur_mm: float = Field(default=1.5, ge=0, description="How far fat lowers the density of its neighbours")
    shared_border_mm: float = Field(default=4.0, gt=0, description="Width over which two lesions part their space")
    texture_fwhm_mm: float = Field(default=8.0, gt=0, description="Gaussian that leaves only the liver's texture")
    grain_factor: float = Field(
        default=1.5, gt=0, description="Volume that counts as one sample, over that of the noise's grain"
    )
    outlier_nats: float = Field(
        default=3.0, gt=0, description="Largest distance of a place from a density: 2.4 SD; beyond it is something else"
    )
    opposite_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="What density on the other side of the liver's counts against a lesion, over outlier_nats",
    )
    outside_nats: float = Field(default=1.0, ge=0, description="What a place outside the liver counts against a lesion")
    soft_border_share: float = Field(
        default=0.4, ge=0, description="SD of a lesion's border zone, over its contrast: borders are gradual"
    )
    uptake_degree: int = Field(default=3, ge=0, description="Harmonics of the uptake's shape that the PET resolves")
    uptake_shape_radius_mm: tuple[float, float] = Field(
        default=(3.0, 9.0), description="Radii from which and above which it does: smaller ones are round on PET"
    )
    size_sd_mm: float = Field(default=0.8, gt=0, description="SD of the radius on CT from that of the uptake")
    size_sd_share: float = Field(default=0.06, ge=0, description="And in proportion to it")
    place_sd_mm: float = Field(default=2.5, gt=0, description="SD of the middle on CT from that of the uptake")
    roughness_mm: float = Field(default=0.5, gt=0, description="SD of the border from a ball")
    roughness_share: float = Field(default=0.10, ge=0, description="And in proportion to the radius")
    roughness_power: float = Field(default=1.7, gt=1, description="How fast it falls with finer detail")
    recentre_mm: tuple[float, float] = Field(
        default=(1.0, 5.0), description="From which distance of the middles a fit is repeated, and its largest move"
    )
    least_contrast_hu: float = Field(default=4.0, gt=0, description="A smaller difference is texture")
    least_contrast_sd: float = Field(default=1.0, gt=0, description="And in SDs of the liver around it")
    least_significance: float = Field(
        default=2.0, gt=0, description="And in SDs of the mean over as much liver as the lesion fills"
    )
    weak_contrast_sd: float = Field(default=1.5, gt=0, description="A contrast under this many SDs is weak")
    filled_radius_mm: tuple[float, float] = Field(
        default=(8.0, 12.0), description="Radii of small and of large lesions for shares that differ with size"
    )
    least_filled_shares: tuple[float, float] = Field(
        default=(0.48, 0.7),
        description="Least share of the contrast in the outer half of small and of large or weak lesions, third lowest "
        "of twelve directions: lower is a part that is not the lesion",
    )
    sure_filled_shares: tuple[float, float] = Field(
        default=(0.25, 0.6),
        description="The same where the step is sure: a part of a small lesion is little more than noise",
    )
    sure_step: tuple[float, float] = Field(
        default=(2.2, 0.83), description="Contrast in SDs, and known share of the border, from which a step is sure"
    )
    core_share: float = Field(
        default=1.7, gt=1, description="Contrast of the inner half over that of the border, from which it is a core"
    )
    most_left_out_of_core: float = Field(
        default=0.4, description="Share of the uptake that may lie outside of a border around a core: more is its rim"
    )
    step_width_mm: float = Field(default=3.0, gt=0, description="Width of the strips on both sides of the border")
    step_share: float = Field(default=0.25, gt=0, description="Share of half the whole step that counts as seen")
    unseen_weight: float = Field(
        default=0.2, ge=0, le=1, description="Weight of density in directions in which no step is seen"
    )
    least_seen_share: float = Field(default=0.7, gt=0, le=1, description="Share of the border that must show a step")
    size_ratio_range: tuple[float, float] = Field(
        default=(0.75, 1.28), description="Radius on CT over that of the uptake"
    )
    size_slack_mm: float = Field(
        default=1.5, ge=0, description="By so much a border known all around may exceed the uptake of a small lesion"
    )
    known_all_around: float = Field(default=0.9, description="Known share of a border from which it is")
    foot_share: float = Field(default=0.08, gt=0, lt=0.5, description="Share of the contrast at a border's foot")
    edge_blur_mm: float = Field(
        default=0.5, ge=0, description="From a sharp border's middle to its foot: the blur of kernel and smoothing"
    )
    profile_contrast_sd: float = Field(default=1.5, gt=0, description="Contrast in SDs from which the foot is found")
    uptake_trust: float = Field(
        default=0.75, ge=0, le=1, description="How far the uptake moves a border within its gradient"
    )
    uptake_trust_radius_mm: tuple[float, float] = Field(
        default=(6.0, 12.0), description="Radii from which and above which it does: smaller ones are blurred on PET"
    )
    shift_range_mm: tuple[float, float] = Field(default=(-2.0, 4.0), description="And by how much at most")
    outward_mm: float = Field(
        default=0.25,
        description="How far outside of half the step calipers are set: at the outer edge of the outermost pixels",
    )
    detail_fwhm_mm: float = Field(default=3.0, gt=0, description="Gaussian on which fine detail of a border is seen")
    detail_weight: float = Field(default=1.0, ge=0, description="Millimetres that one nat moves the border")
    detail_mm: float = Field(default=1.5, ge=0, description="And by how much at most")
    widest_spread_share: float = Field(default=0.2, gt=0, description="SD of the diameter over itself at most")
    spread_factor: float = Field(default=1.4, gt=0, description="Real spread of the diameter over the fit's own")
    model_error_mm: float = Field(default=0.6, ge=0, description="SD that no fit shows")
    model_error_share: float = Field(default=0.03, ge=0, description="And in proportion to the diameter")
    interval_weights: tuple[float, ...] | None = Field(
        default=(-0.372, 1.023, 0.93, 2.64, -0.221, 0.36, -0.167, 1.908, 0.719),
        min_length=9,
        max_length=9,
        description="Of the logarithm of half the 95 % interval over the diameter: constant, and one for each sign of "
        "`BorderSigns`, fitted by scripts/fit_diameter_spread.py; none: from the spread of surfaces alone",
    )
    tolerance: tuple[float, float] = Field(
        default=(2.0, 0.1), description="A diameter is right within so many mm, or so much of itself where that is more"
    )
    sure_tolerances: float = Field(
        default=1.54,
        description="Half interval, over the tolerance, up to which a border is sure: noise may exceed its contrast, "
        "and its density be uneven",
    )
    sure_contrast_hu: float = Field(default=8.0, gt=0, description="And its contrast: texture of a liver may be less")
    sure_significance: float = Field(
        default=3.5, gt=0, description="And that in SDs of the mean over as much liver as the lesion fills"
    )
    widest_tolerances: float = Field(
        default=3.4, gt=0, description="Half interval, over the tolerance, above which a diameter is none"
    )
    least_dense_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of a lesion from which such density is said of it; less is a fleck"
    )
    dense_hu_above: float = Field(
        default=100.0,
        gt=0,
        description="So much denser than liver is no enhancing tumour but lipiodol, embolic agent or calcium: "
        "hypervascular metastases exceed liver by under 80 HU in the arterial phase",
    )


class RecistMrConfig(FrozenModel):
    """When an MR counts as registered to the liver, and how far off it then lies.

    From pairs of phantom and simulated MR (``scripts/benchmark_mr_registration.py``): three sequences, another couch,
    rotation and breath-hold, against MR of other parts of the body, noise and shuffled slices.
    """

    least_similarity: float = Field(default=0.10, description="Normalised mutual information less 1, near the liver")
    most_spread_mm: float = Field(default=6.0, gt=0, description="Between answers from different starts, median")
    least_liver_share: float = Field(default=0.9, description="Share of the liver that must lie on the MR")
    error_on_ct_mm: float = Field(
        default=10.0,
        gt=0,
        description="Closer than this lay 95 % of places in the liver in every pair, registered to a CT (9.1 mm in the "
        "worst pair, with a liver 15 mm lower and deformed)",
    )
    error_on_pet_mm: float = Field(
        default=10.0,
        gt=0,
        description="And registered to a PET, where there is no CT (2.6 mm in the worst of few pairs)",
    )
