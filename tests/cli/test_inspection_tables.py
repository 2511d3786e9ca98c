"""What `dotaliver inspect` prints."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from dotaliver.cli.inspection_tables import inspection_tables
from dotaliver.pipeline.inspection import inspect_study
from fixtures.dicom_series import ramp, write_series


def test_tables_show_headers_as_plain_text(tmp_path):
    write_series(tmp_path, stored=ramp((6, 5, 4)), elements={"SeriesDescription": "AC [red]x[/red] [link"})
    console = Console(width=200, record=True, file=StringIO())
    console.print(inspection_tables(inspect_study(tmp_path)))
    shown = console.export_text()
    assert "AC [red]x[/red] [link" in shown
    for line in ("Radionuclide Total Dose (0018,1074)", "Patient's Weight (0010,1030)", "NO_CT", "150 MBq"):
        assert line in shown
    assert "Secret" not in shown
