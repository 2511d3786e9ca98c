"""Against a real Orthanc on loopback: what goes there and comes back is equal, whole or not there at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from dotaliver.dicom.files.headers import UNFINISHED, index_folder
from dotaliver.errors import FileFormatError, OutputError, PacsError, StudyError
from dotaliver.pacs.archive import open_archive
from dotaliver.pacs.endpoint import Credentials, Settings, Tls, endpoint_of
from dotaliver.pacs.transfer import pull_study, push_files
from fixtures.command_line import TELLTALES, run_cli
from fixtures.orthanc import PASSWORD, USER, Orthanc, encrypted, needs_orthanc

# pynetdicom leaves a socket to the garbage collector where a connection is refused.
pytestmark = [needs_orthanc, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
WAYS = ("web", "dimse", "move")


def archive(server: Orthanc, way: str, **changes):
    url = server.web if way == "web" else server.dimse
    values = {"credentials": Credentials(USER, PASSWORD), "move_port": server.move if way == "move" else None}
    return open_archive(Settings(endpoint_of(url), **(values | changes)))


def objects(*folders: Path) -> dict[str, pydicom.Dataset]:
    found = [pydicom.dcmread(p) for folder in folders for p in sorted(folder.rglob("*.dcm"))]
    return {str(d.SOPInstanceUID): d for d in found}


def study_uid(folder: Path) -> str:
    return str(next(iter(objects(folder).values())).StudyInstanceUID)


@pytest.fixture(scope="module")
def filled(orthanc, study):
    """The server with the phantom's study in it, sent by DIMSE."""
    sent = push_files(archive(orthanc, "dimse"), sorted(study.rglob("*.dcm")))
    assert sent.already_there == ()
    assert set(sent.sent) == set(objects(study))
    return orthanc


@pytest.mark.parametrize("way", WAYS)
def test_a_study_comes_back_equal(filled, study, tmp_path, way) -> None:
    told = []
    done = pull_study(
        archive(filled, way), study_uid(study), tmp_path / "in", progress=lambda done, every: told.append((done, every))
    )
    sent, came = objects(study), objects(tmp_path / "in")
    assert came == sent
    assert (done.objects, done.already_there) == (len(sent), 0)
    assert max(told) == (len(sent), len(sent))
    assert [p for p in tmp_path.rglob("*") if p.name.startswith(".")] == []
    assert not (tmp_path / "in.unfinished").exists()


def test_a_pulled_study_scores_as_before_and_its_results_come_back_equal(
    filled, study, scored, tmp_path, credentials, no_pictures
) -> None:
    """The round that a site makes: pull, score, push, find again, pull again; by the command line."""
    uid, folder = study_uid(study), tmp_path / "in"
    access = ("--url", filled.web, "--credentials", credentials)
    done = run_cli("pull", *access, "--study", uid, "--out", folder, "--modality", "PT", "--modality", "CT")
    assert (done.status, done.err) == (0, "")
    done = run_cli("score", folder, "--out", tmp_path / "score", "--quiet")
    assert done.status == 0, done.err
    record = json.loads((tmp_path / "score" / "score.json").read_text())
    assert record["record_id"] == json.loads((scored / "score.json").read_text())["record_id"]
    done = run_cli("push", *access, tmp_path / "score")
    assert (done.status, done.err) == (0, "")
    results = objects(tmp_path / "score")
    assert len(results) >= 4
    assert f"received {len(results)} objects" in done.out
    assert {d.Modality for d in results.values()} == {"SEG", "SR", "RWV"}
    listed = {r.sop_uid: r.modality for r in archive(filled, "dimse").find(uid)}
    assert {u: listed[u] for u in results} == {u: d.Modality for u, d in results.items()}
    done = run_cli("push", *access, tmp_path / "score")
    assert f"received 0 objects and lists them; {len(results)} were there already" in done.out
    for way in WAYS:
        back = tmp_path / f"back-{way}"
        pull_study(archive(filled, way), uid, back, modalities=frozenset({"SEG", "SR", "RWV"}))
        assert objects(back) == results
    for text in (done.out, done.err):
        assert not any(word in text for word in (*TELLTALES, PASSWORD))


@pytest.mark.parametrize("way", [WAYS[0], *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS[1:])])
def test_a_kill_in_the_middle_leaves_nothing_half_and_a_second_run_finishes(tmp_path, study, way) -> None:
    server = Orthanc(tmp_path / "server")
    server.start()
    try:
        push_files(archive(server, "dimse"), sorted(study.rglob("*.dcm")))
        uid, target = study_uid(study), tmp_path / "in"

        def kill_after_ten(done: int, _every: int) -> None:
            if done == 10:
                server.kill()

        with pytest.raises(PacsError, match=r"run the command again|did not arrive"):
            pull_study(archive(server, way), uid, target, progress=kill_after_ten)
        assert not target.exists()
        unfinished = tmp_path / "in.unfinished"
        sent = objects(study)
        kept = objects(unfinished)
        assert 10 <= len(kept) < len(sent)
        assert all(sent[u] == dataset for u, dataset in kept.items())
        assert {p.name for p in unfinished.rglob("*") if p.is_file() and p.suffix != ".dcm"} == {UNFINISHED}
        with pytest.raises(StudyError, match=r"in.unfinished: the study has not arrived completely from the PACS"):
            index_folder(unfinished)
        with pytest.raises(StudyError, match="has not arrived completely from the PACS"):
            index_folder(tmp_path)

        server.start()
        before = {p: p.stat().st_mtime_ns for p in unfinished.rglob("*.dcm")}
        done = pull_study(archive(server, way), uid, target)
        assert (done.objects, done.already_there) == (len(sent), len(before))
        assert objects(target) == sent
        assert not unfinished.exists()
        kept_files = {target / p.relative_to(unfinished): stamp for p, stamp in before.items()}
        assert {p: p.stat().st_mtime_ns for p in kept_files} == kept_files
    finally:
        server.kill()


def test_a_kill_while_sending_is_told_and_a_second_run_sends_the_rest(tmp_path, study) -> None:
    server = Orthanc(tmp_path / "server")
    server.start()
    try:
        files = sorted(study.rglob("*.dcm"))[:12]

        def kill_after_five(done: int, _every: int) -> None:
            if done == 5:
                server.kill()

        with pytest.raises(PacsError, match="cannot be reached or closed the connection"):
            push_files(archive(server, "web"), files, progress=kill_after_five)
        server.start()
        done = push_files(archive(server, "web"), files)
        assert len(done.already_there) >= 5
        assert len(done.sent) + len(done.already_there) == 12
    finally:
        server.kill()


def test_a_damaged_part_is_fetched_again(filled, study, tmp_path) -> None:
    unfinished = tmp_path / "in.unfinished"
    uid = study_uid(study)
    unfinished.mkdir()
    (unfinished / UNFINISHED).write_text(json.dumps({"study": uid}))
    first = next(iter(objects(study).values()))
    part = unfinished / first.SeriesInstanceUID / f"{first.SOPInstanceUID}.dcm"
    part.parent.mkdir()
    part.write_bytes(b"half of a file")
    stray = part.with_name("1.2.3.dcm")
    stray.write_bytes(b"of another time")
    done = pull_study(archive(filled, "web"), uid, tmp_path / "in")
    assert done.already_there == 0
    assert set(objects(tmp_path / "in")) >= set(objects(study))
    assert not list(tmp_path.rglob("1.2.3.dcm"))


def test_a_run_cut_off_at_the_very_end_is_looked_at_again(filled, study, tmp_path) -> None:
    uid, target = study_uid(study), tmp_path / "in"
    pull_study(archive(filled, "web"), uid, target, modalities=frozenset({"PT"}))
    (target / UNFINISHED).write_text(json.dumps({"study": uid}))
    with pytest.raises(StudyError, match="has not arrived completely from the PACS"):
        index_folder(target)
    done = pull_study(archive(filled, "web"), uid, target, modalities=frozenset({"PT"}))
    assert done.objects == done.already_there > 0
    assert index_folder(target).of_modality("PT")


def test_an_address_without_a_dicomweb_service_is_told(filled, study, tmp_path) -> None:
    url = filled.web.replace("dicom-web", "nothing-here")
    nowhere = open_archive(Settings(endpoint_of(url), Credentials(USER, PASSWORD)))
    with pytest.raises(PacsError, match="the PACS holds no such study"):
        pull_study(nowhere, study_uid(study), tmp_path / "in")
    with pytest.raises(PacsError, match="does not know this address or study; check --url"):
        push_files(nowhere, sorted(study.rglob("*.dcm"))[:1])


def test_what_exists_is_not_touched(filled, study, tmp_path) -> None:
    uid = study_uid(study)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="it exists already"):
        pull_study(archive(filled, "web"), uid, tmp_path / "in")
    (tmp_path / "other.unfinished").mkdir()
    (tmp_path / "other.unfinished" / UNFINISHED).write_text(json.dumps({"study": "1.2.3"}))
    with pytest.raises(OutputError, match="not left by an earlier pull of this study"):
        pull_study(archive(filled, "web"), uid, tmp_path / "other")


@pytest.mark.parametrize("way", ["web", "dimse"])
def test_unknown_studies_are_told(filled, study, tmp_path, way) -> None:
    with pytest.raises(PacsError, match="the PACS holds no such study"):
        pull_study(archive(filled, way), "1.2.3.4.5", tmp_path / "in")
    with pytest.raises(PacsError, match=r"nothing of the kind asked for \(there are: CT, PT"):
        pull_study(archive(filled, way), study_uid(study), tmp_path / "in", modalities=frozenset({"MR"}))
    with pytest.raises(PacsError, match="not a Study Instance UID"):
        pull_study(archive(filled, way), "../../etc", tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [Credentials(), Credentials(USER, "wrong-word"), Credentials(token="wrong-word")])
def test_wrong_credentials_are_told_without_showing_them(filled, study, tmp_path, given) -> None:
    with pytest.raises(PacsError, match="does not accept the credentials") as caught:
        pull_study(archive(filled, "web", credentials=given), study_uid(study), tmp_path / "in")
    assert "wrong-word" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there_is_told(tmp_path) -> None:
    nobody = Orthanc(tmp_path / "nobody")
    for way in ("web", "dimse"):
        with pytest.raises(PacsError, match="cannot be reached"):
            pull_study(archive(nobody, way), "1.2.3", tmp_path / "in")


def test_a_wrong_ae_title_is_told(filled, tmp_path) -> None:
    url = filled.dimse.replace("ARCHIVE", "NOBODY")
    with pytest.raises(PacsError, match=r"NOBODY at localhost:.*refuses the connection"):
        pull_study(open_archive(Settings(endpoint_of(url))), "1.2.3", tmp_path / "in")


def test_nothing_is_sent_where_one_file_is_no_whole_object(filled, study, tmp_path) -> None:
    before = len(archive(filled, "web").find(study_uid(study)))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    first, second = sorted(study.rglob("*.dcm"))[:2]
    ds = pydicom.dcmread(first)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6"
    ds.save_as(mixed / "a.dcm")
    (mixed / "b.dcm").write_bytes(second.read_bytes()[:-50])
    with pytest.raises(FileFormatError, match=r"b.dcm: not a complete DICOM object, so nothing was sent"):
        push_files(archive(filled, "web"), [mixed])
    shutil.copy(mixed / "a.dcm", mixed / "b.dcm")
    with pytest.raises(FileFormatError, match=r"b.dcm: its UID is missing or used by another file too"):
        push_files(archive(filled, "web"), [mixed])
    with pytest.raises(FileFormatError, match="there is no DICOM file"):
        push_files(archive(filled, "web"), [tmp_path])
    assert len(archive(filled, "web").find(study_uid(study))) == before


def test_tls_proves_the_server_and_is_refused_otherwise(filled, study, tmp_path, certificate) -> None:
    uid, tls = study_uid(study), Tls(ca_file=certificate)
    given = Credentials(USER, PASSWORD)
    with encrypted(filled.http, certificate) as web, encrypted(filled.dicom, certificate) as dicom:
        for url in (f"https://localhost:{web}/dicom-web", f"dicoms://localhost:{dicom}/ARCHIVE"):
            settings = Settings(endpoint_of(url), given, tls)
            folder = tmp_path / settings.endpoint.protocol
            pull_study(open_archive(settings), uid, folder, modalities=frozenset({"PT"}))
            assert {d.Modality for d in objects(folder).values()} == {"PT"}
            pushed = push_files(open_archive(settings), sorted(study.rglob("*.dcm"))[:3])
            assert len(pushed.already_there) == 3
            with pytest.raises(PacsError, match=r"certificate of the PACS cannot be verified|the certificates"):
                open_archive(replace(settings, tls=Tls())).find(uid)
            elsewhere = replace(
                settings,
                endpoint=replace(settings.endpoint, host="127.0.0.1", url=url.replace("localhost", "127.0.0.1")),
            )
            with pytest.raises(PacsError, match=r"certificate of the PACS cannot be verified|the certificates"):
                open_archive(elsewhere).find(uid)
            with pytest.raises(PacsError, match="a file of --ca-file"):
                open_archive(replace(settings, tls=Tls(ca_file=tmp_path / "no.pem"))).find(uid)


def test_a_server_may_ask_for_our_certificate(filled, study, certificate) -> None:
    uid, key = study_uid(study), certificate.with_name("key.pem")
    given = Credentials(USER, PASSWORD)
    with (
        encrypted(filled.http, certificate, client=certificate) as web,
        encrypted(filled.dicom, certificate, client=certificate) as dicom,
    ):
        for url in (f"https://localhost:{web}/dicom-web", f"dicoms://localhost:{dicom}/ARCHIVE"):
            settings = Settings(endpoint_of(url), given, Tls(certificate, certificate, key))
            assert open_archive(settings).find(uid)
            with pytest.raises(PacsError):
                open_archive(replace(settings, tls=Tls(certificate))).find(uid)
