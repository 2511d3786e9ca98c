"""A score read back from its folder: the record, its images and its masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dotaliver.config.files import read_edits
from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.headers import WHOLE_FOLDER, StudyPart
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.dicom.masks.remarks import OF_OUTLINES
from dotaliver.errors import ConfigError, MaskError, StudyError
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.statements import require_consistent
from dotaliver.pipeline.opening import StudyInput, imported_masks, open_study
from dotaliver.records.body import BodyCoverage, BodyFocus, BodySearch, OwnedOrgan
from dotaliver.records.body_record import SearchRecord
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Completeness, MaskLayer, ReferenceRegion, Segmentations
from dotaliver.records.score import MaskName, MaskRecord, StudyScore
from dotaliver.records.score_folder import MASKS, LocalPaths, ScoreFolder
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.added_body_lesions import without_added_lesions
from dotaliver.segmentation.corrections import CANDIDATES_FLAG, REGISTERED_FLAG, Corrections, with_masks, without
from dotaliver.segmentation.mask_checks import OWN_ORIGIN
from dotaliver.segmentation.recist_mr import measures_on_mr

__all__ = [
    "LocalPaths",
    "compares_elsewhere",
    "images_of_score",
    "load_edits",
    "mask_files_that_differ",
    "measures_elsewhere",
    "read_record",
    "relocated",
    "require_edits_of_image",
    "require_marked_foci",
    "require_same_pixels",
    "stored_masks",
]


def read_record(folder: Path) -> StudyScore:
    """The record in a folder of a score, verified; `StudyError` where there is none that can be trusted."""
    return ScoreFolder(folder).record()


def images_of_score(folder: Path, score: StudyScore) -> StudyVolumes:
    """The images that a score rests on, from where ``local.json`` says that they lie.

    Raises
    ------
    DotaliverError
        Where they are not there any more, or are others.
    """
    study = relocated(folder, None, score)
    volumes = open_study(study, score.config).volumes
    require_same_pixels(score, volumes)
    return volumes


def relocated(folder: Path, study: StudyInput | None, parent: StudyScore) -> StudyInput:
    """The study where it lies now, with the series that were scored."""
    named = study.folder if study is not None else None
    part = WHOLE_FOLDER if study is None else study.part
    local = ScoreFolder(folder).local_paths()
    if named is None or named == folder:
        if local is None:
            msg = f"{folder}: local.json does not say where the images are; name their folder with --study"
            raise StudyError(msg)
        named, part = Path(local.study), StudyPart(local.study_uid, local.files)
        if not named.exists():
            msg = f"{folder}: the images are no longer where local.json says; name their folder with --study"
            raise StudyError(msg)
    elif local is not None and part == WHOLE_FOLDER:
        # The other studies may have been moved with it
        part = StudyPart(local.study_uid)
    ct, recist = parent.study.ct, parent.study.recist_image
    given = None if study is None else study.recist_image
    return StudyInput(
        named,
        pet=parent.study.pet.series_instance_uid,
        ct=None if ct is None else ct.series_instance_uid,
        recist_image=given or (None if recist is None else recist.series_instance_uid),
        liver=None if study is None else study.liver,
        lesions=None if study is None else study.lesions,
        lesions_complete=study is not None and study.lesions_complete,
        part=part,
        fdg=_fdg_folder(folder, study, local, parent),
    )


def _fdg_folder(folder: Path, study: StudyInput | None, local: LocalPaths | None, parent: StudyScore) -> Path | None:
    """Where the FDG scan lies: where the user says, else where it lay; None where none was compared."""
    if study is not None and study.fdg is not None:
        return study.fdg
    if parent.netpet is None:
        return None
    if local is None or local.fdg is None or not Path(local.fdg).exists():
        msg = f"{folder}: the FDG scan is not where local.json says; name its folder with --fdg"
        raise StudyError(msg)
    return Path(local.fdg)


def measures_elsewhere(parent: StudyScore, volumes: StudyVolumes) -> bool:
    """Whether diameters are measured on another image than in the record."""
    before, now = parent.study.recist_image, volumes.identity.recist_image
    return now is not None and (before is None or before.series_instance_uid != now.series_instance_uid)


def compares_elsewhere(parent: StudyScore, volumes: StudyVolumes) -> bool:
    """Whether another FDG scan is compared than in the record."""
    before = None if parent.netpet is None else parent.netpet.scan.study.pet.pixel_sha256
    now = None if volumes.fdg is None else volumes.fdg.identity.pet.pixel_sha256
    return now != before


def require_same_pixels(parent: StudyScore, volumes: StudyVolumes) -> None:
    """Refuse images that are not those that were scored: `StudyError`."""
    if parent.study.ct is None and volumes.ct is not None:
        msg = (
            "the folder holds a CT, and the record was made without one; score the study again, or name the folder "
            "of the PET alone with --study"
        )
        raise StudyError(msg)
    then, here = parent.study, volumes.identity
    recist = () if measures_elsewhere(parent, volumes) else ((then.recist_image, here.recist_image),)
    for before, now in ((then.pet, here.pet), (then.ct, here.ct), *recist):
        if before is not None and (now is None or now.pixel_sha256 != before.pixel_sha256):
            msg = (
                f"the {before.name} is not the one that was scored: its voxels "
                "differ; name the folder of the scored images with --study"
            )
            raise StudyError(msg)


def stored_masks(
    folder: Path, study: StudyInput, parent: StudyScore, volumes: StudyVolumes, config: ScoringConfig
) -> Segmentations:
    """The masks of the record, each replaced where the user names another."""
    given = imported_masks(study, volumes, config)
    record = parent.segmentation
    # Clicks are followed anew, so what they added and overtook is left out.
    added = {label for label, clicked in record.clicked.items() if clicked.added}
    # What was found on the image that diameters were measured on until now says nothing of another one.
    elsewhere = measures_elsewhere(parent, volumes)
    looked_for = all(flag.code != CANDIDATES_FLAG for flag in record.flags)
    layers: dict[str, MaskLayer | None] = {}
    for mask in record.masks:
        # What was found outside another liver, and what follows from the reader's answers, is looked for again.
        if mask.name == "body" or mask.name == "body_on_ct":  # noqa: PLR1714  mypy narrows by equality alone
            continue
        # Results for another liver are not needed, and their files may be missing.
        overtaken = given.liver is not None and (mask.name in {"liver", "ct_foci"} or given.lesions is not None)
        if (
            mask.name == "ct_lesions"
            or overtaken
            or ((added or elsewhere) and mask.name == "ct_foci")
            or (mask.name == "lesions" and not looked_for)
        ):
            continue
        if mask.labels:
            read = read_mask(ScoreFolder(folder).file_of_mask(mask.name, mask.drawn_on), volumes, mask.name)
            labels = without(read.labels, added) if mask.name == "lesions" else read.labels
            layers[mask.name] = MaskLayer(
                labels, mask.drawn_on, mask.origin, mask.border_uncertainty_mm, _completeness(mask)
            )
        elif mask.name == "lesions" or config == parent.config:
            layers[mask.name] = _empty(mask, volumes)
    gone = {CANDIDATES_FLAG, REGISTERED_FLAG} if elsewhere else {CANDIDATES_FLAG}
    is_current = config == parent.config and not elsewhere
    on_ct = None if elsewhere or given.liver is not None else _stored_on_ct(folder, parent, volumes, is_current)
    stored = Segmentations(
        segmenter=record.segmenter,
        liver=layers.get("liver"),
        lesions=layers.get("lesions"),
        references=tuple(
            r for r in _stored_references(parent, is_current=is_current) if not (added and r.organ == "liver")
        ),
        mismatch=record.mismatch,
        reasons=record.reasons,
        unseen_on_ct={} if elsewhere else record.unseen_on_ct,
        recist_registration=None if elsewhere else record.recist_registration,
        flags=tuple(flag for flag in record.flags if flag.code not in gone),
        ct_foci=layers.get("ct_foci"),
        ct_search=None if layers.get("ct_foci") is None else record.ct_search,
        lobes=record.lobes,
        ct_lesions=on_ct,
        # What was found outside another liver is looked for again.
        body=_stored_body(folder, parent, volumes) if given.liver is None else None,
    )
    if study.lesions_complete and given.lesions is None and stored.lesions is not None:
        stored = replace(stored, lesions=replace(stored.lesions, completeness="stated"))
    changed = with_masks(stored, Corrections(given.liver, given.lesions), config)
    kept = changed.flags if given.lesions is None else [f for f in changed.flags if f.code not in OF_OUTLINES]
    return replace(changed, flags=tuple(dict.fromkeys((*kept, *given.flags))))


def _stored_on_ct(folder: Path, parent: StudyScore, volumes: StudyVolumes, is_current: bool) -> MaskLayer | None:
    """The lesions' outlines on CT as they were stored; None where they have to be looked for.

    Where no border was seen, the reasons of the record are kept while the settings are the same (``is_current``).
    """
    mask = next((m for m in parent.segmentation.masks if m.name == "ct_lesions"), None)
    if mask is None or not (mask.labels or is_current) or measures_on_mr(volumes):
        # On an MR only the reader's clicks are outlined, and these are measured anew.
        return None
    if volumes.recist_image is not None:
        # To the reader of masks the diagnostic CT is the CT.
        identity = volumes.identity.model_copy(update={"ct": volumes.identity.recist_image})
        volumes = replace(volumes, ct=volumes.recist_image, identity=identity)
    if not mask.labels:
        return _empty(mask, volumes)
    read = read_mask(ScoreFolder(folder).mask_file("ct_lesions"), volumes, "lesions")
    clicked = set(parent.segmentation.clicked)
    borders = {label: border for label, border in mask.borders.items() if label not in clicked}
    labels = without(read.labels, clicked)
    return MaskLayer(labels, "ct", mask.origin, mask.border_uncertainty_mm, borders=borders)


def _stored_body(folder: Path, parent: StudyScore, volumes: StudyVolumes) -> BodySearch | None:
    """The search outside the liver as it was stored, without what a reader added, which is outlined anew."""
    search = parent.segmentation.body
    mask = next((m for m in parent.segmentation.masks if m.name == "body"), None)
    if search is None or mask is None:
        return None
    layer = _empty(mask, volumes)
    if mask.labels:
        path = ScoreFolder(folder).mask_file("body")
        layer = replace(layer, labels=read_mask(path, volumes, "body").labels)
    _require_every_focus(layer.labels, search, volumes)
    organs = tuple(
        OwnedOrgan(organ.name, organ.volume_ml, organ.suv_max or 0.0, organ.centre_lps_mm) for organ in search.organs
    )
    return without_added_lesions(
        BodySearch(
            tuple(BodyFocus(**focus.model_dump()) for focus in search.foci),
            layer,
            organs,
            BodyCoverage(search.parts, search.missing),
            search.has_ct,
        )
    )


def _require_every_focus(labels: LabelMap, search: SearchRecord, volumes: StudyVolumes) -> None:
    """Refuse a mask without a candidate of the record, or with others: a lost candidate would count as read."""
    file = MASKS["body"]
    mend = "restore the file, or score the study again"
    if not labels.geometry.is_close(volumes.pet.geometry):
        msg = f"{file}: it does not have the grid of the PET; {mend}"
        raise MaskError(msg)
    known, there = {focus.label for focus in search.foci}, set(labels.labels)
    odd = sorted(known ^ there)
    if odd:
        what = "lacks" if odd[0] in known else "holds, other than the record,"
        msg = f"{file}: it {what} B{odd[0]}; {mend}"
        raise MaskError(msg)


def _empty(mask: MaskRecord, volumes: StudyVolumes) -> MaskLayer:
    """A mask in which nothing was found, on the grid of its image."""
    import numpy as np

    grid = volumes.ct.geometry if mask.drawn_on == "ct" and volumes.ct is not None else volumes.pet.geometry
    empty = LabelMap(np.zeros(grid.shape, dtype=np.uint16), grid)
    return MaskLayer(empty, mask.drawn_on, mask.origin, mask.border_uncertainty_mm, _completeness(mask))


def _completeness(mask: MaskRecord) -> Completeness:
    """Completeness of a stored mask; version 1 did not record it, but what our own search found was whole."""
    if mask.completeness is not None:
        return mask.completeness
    return "searched" if mask.origin == OWN_ORIGIN else "not_stated"


def _stored_references(parent: StudyScore, *, is_current: bool) -> tuple[ReferenceRegion, ...]:
    """The spheres of the record, and with its settings why other organs have none.

    The voxels of a low mode or of the aorta are not in the record and are found again; whether the liver has room for a
    sphere depends on its lesions.
    """
    regions = []
    for organ, source in parent.segmentation.references.items():
        absent = is_current and source.method == "none" and organ in {"spleen", "blood_pool"}
        reference = parent.references.get(organ)
        if reference is not None and (absent or source.method in {"sphere", "small_sphere"}):
            place = (source.centre_lps_mm, source.diameter_mm)
            regions.append(ReferenceRegion(reference.organ, source.method, *place, reason=source.reason))
    return tuple(regions)


def mask_files_that_differ(folder: Path, record: StudyScore, found: Segmentations) -> tuple[str, ...]:
    """Names of the files whose masks are not those that a record was made from, by voxels and numbers."""
    layers: dict[MaskName, MaskLayer | None] = {
        "liver": found.liver,
        "lesions": found.lesions,
        "ct_foci": found.ct_foci,
        "ct_lesions": found.ct_lesions,
        "body": None if found.body is None else found.body.mask,
        "body_on_ct": found.body_on_ct,
    }
    expected = {mask.name: mask for mask in record.segmentation.masks}
    files = ScoreFolder(folder)
    differing = []
    for name, layer in layers.items():
        mask = expected.get(name)
        if mask is None and layer is None:
            continue
        if mask is None or layer is None or layer.labels.sha256() != mask.sha256:
            drawn_on = mask.drawn_on if mask is not None else layer.drawn_on if layer is not None else "ct"
            differing.append(files.file_of_mask(name, drawn_on).name)
    return tuple(differing)


def require_edits_of_image(parent: StudyScore, volumes: StudyVolumes) -> None:
    """Refuse to carry over what a reader pointed at or drew on the image that diameters were measured on until now."""
    if not measures_elsewhere(parent, volumes):
        return
    drawn = [edit.label for edit in parent.edits.lesions if edit.diameter is not None]
    if parent.edits.clicks or drawn:
        msg = (
            "the record's clicks and drawn diameters were made on another image than --recist-image names; give the "
            "edits again with --edits"
        )
        raise ConfigError(msg)


def require_marked_foci(parent: StudyScore, given: Segmentations, volumes: StudyVolumes) -> None:
    """With another liver images are searched anew, and numbers may name other places; lesions may cover a candidate."""
    if parent.edits.fdg is not None and (given.body is None or compares_elsewhere(parent, volumes)):
        msg = (
            "the reader's answers on candidates of the FDG scan cannot be carried over: with another liver or another "
            "FDG scan it is searched again; give the edits again with --edits"
        )
        raise ConfigError(msg)
    if parent.edits.body is not None and given.body is None:
        msg = (
            "the reader's answers on candidates outside the liver cannot be carried over: with another liver the body "
            "is searched again; give the edits again with --edits"
        )
        raise ConfigError(msg)
    there = set() if given.ct_foci is None else set(given.ct_foci.labels.labels)
    lost = {focus.label for focus in parent.ct_foci} - there
    marked = [edit.label for edit in parent.edits.lesions if edit.label in lost]
    if marked:
        msg = (
            f"the reader's mark on CT candidate {marked[0]} cannot be carried over: with other masks the CT is "
            "searched again; give the edits again with --edits"
        )
        raise ConfigError(msg)


def load_edits(path: Path) -> ReaderEdits:
    """Read a reader's edits from JSON; `ConfigError` names the file and what is wrong with it."""
    edits = read_edits(path, ReaderEdits)
    try:
        require_consistent(edits)
    except ConfigError as error:
        msg = f"{path.name}: {error}"
        raise ConfigError(msg) from error
    return edits
