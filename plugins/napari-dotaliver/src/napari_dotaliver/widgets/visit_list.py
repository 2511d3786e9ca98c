"""The lesions of two scans: one row each, answered by one key: same, new, gone, unsure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import ConfigError, DotaliverError
from dotaliver.longitudinal import pair_statements
from dotaliver.longitudinal.compared_scans import EARLIER, LATER
from dotaliver.longitudinal.pair_answers import IdentityAnswer
from dotaliver.longitudinal.pair_response import percent
from dotaliver.longitudinal.pair_rows import PairRow
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.widgets.deliberate import Rows
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.shortcuts import soon
from napari_dotaliver.widgets.visit_response import peak_name

__all__ = ["ANSWER_KEYS", "VisitList"]

ANSWER_KEYS: dict[str, Key] = {
    "same": Key("S", "the same lesion on both scans; with two rows selected, the two are one lesion"),
    "new": Key("N", "a new lesion"),
    "gone": Key("G", "gone on the later scan"),
    "unsure": Key("U", "cannot be decided on these scans"),
    "too_small": Key("T", "still there, too small to measure"),
    "back": Key("Backspace", "take the answer back"),
    "measure_earlier": Key("E", "draw the diameter on the earlier scan"),
    "measure_later": Key("L", "draw the diameter on the later scan"),
}
_ACTS = {int(getattr(Qt.Key, f"Key_{key.key}")): act for act, key in ANSWER_KEYS.items()}
_MEASURED_ON = {"measure_earlier": EARLIER, "measure_later": LATER}
_HEADINGS = ("Lesion", "State", "Target", "", "", "Change", "SUVpeak")
_STATE, _TARGET, _FIRST_SIZE, _PEAK = 1, 2, 3, 6
_ROLES = {"target": "target", "non_target": "non-target", "new": "new", "earlier": "earlier only"}
_WHY_LINES = 3
_ROW_PIXELS, _ROWS_SEEN, _AROUND_ROWS_PIXELS = 24, 6, 60


class _Rows(Rows):
    """The rows, in which a key answers the selected ones."""

    asked = Signal(str)
    answer_keys = tuple(_ACTS)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """The keys of the answers answer; other keys move as usual, and letters choose nothing."""
        if not event.modifiers() and int(event.key()) in _ACTS:
            self.asked.emit(_ACTS[int(event.key())])
            event.accept()
        else:
            super().keyPressEvent(event)


class VisitList(QWidget):
    """Rows of lesions with their states, the grounds of the selected one, and a button for each answer."""

    row_chosen = Signal(object)
    """The row that is current."""
    refused = Signal(str)
    measure_asked = Signal(int)
    """On which scan the current lesion is to be measured."""

    def __init__(self, session: VisitSession, days: tuple[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._filling = False
        self.shown: tuple[PairRow, ...] = ()
        self.waiting, self.why = QLabel(), QLabel()
        for label in (self.waiting, self.why):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.waiting.setAccessibleName("Lesions that wait for an answer")
        self.why.setAccessibleName("Why the lesion has this state")
        self.why.setMinimumHeight(_WHY_LINES * self.why.fontMetrics().lineSpacing())
        self.why.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.rows = self._made_rows(days)
        self.buttons: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.waiting, self.rows, self.why):
            layout.addWidget(part, stretch=1 if part is self.rows else 0)
        layout.addLayout(self._made_buttons())
        self._end = session.on_change(self.renew)
        self.renew()

    def _made_rows(self, days: tuple[str, str]) -> _Rows:
        rows = _Rows(0, len(_HEADINGS), self)
        heads = list(_HEADINGS)
        heads[_FIRST_SIZE], heads[_FIRST_SIZE + 1] = (f"{day}\nmm" for day in days)
        if self.session.reading is not None:
            heads[_PEAK] = peak_name(self.session.reading)
        rows.setHorizontalHeaderLabels(heads)
        rows.setAccessibleName("Lesions on both scans")
        rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        rows.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        rows.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        rows.verticalHeader().setVisible(False)
        rows.setTabKeyNavigation(False)
        rows.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)
        rows.setMinimumHeight(_ROWS_SEEN * _ROW_PIXELS + _AROUND_ROWS_PIXELS)
        rows.setTabKeyNavigation(False)
        rows.setWordWrap(False)
        rows.asked.connect(self.act)
        rows.itemChanged.connect(self._on_item)
        rows.itemSelectionChanged.connect(self._on_selection)
        return rows

    def _made_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        words = {"same": "Same", "new": "New", "gone": "Gone", "unsure": "Unsure", "too_small": "Too small"}
        for number, (act, word) in enumerate(words.items()):
            button = QPushButton(f"{word} ({ANSWER_KEYS[act].key})")
            button.setToolTip(ANSWER_KEYS[act].does)
            button.clicked.connect(_pressed(self, act))
            self.buttons[act] = button
            grid.addWidget(button, number // 3, number % 3)
        back = self.buttons["back"] = QPushButton("Take back (⌫)")
        back.setToolTip(f"{ANSWER_KEYS['back'].does} (Backspace)")
        back.clicked.connect(_pressed(self, "back"))
        grid.addWidget(back, 1, 2)
        return grid

    def close_down(self) -> None:
        """Follow the comparison no more; called before Qt destroys the list, during which no Python may run."""
        self._end()
        self.rows.blockSignals(True)
        self.blockSignals(True)

    # --- what is chosen ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> PairRow | None:
        """The row that is current."""
        number = self.rows.currentRow()
        return self.shown[number] if 0 <= number < len(self.shown) else None

    def choose(self, lesion: str) -> None:
        """Go to the row of a lesion."""
        for number, row in enumerate(self.shown):
            if row.name == lesion:
                # With a modifier key held, as in Ctrl+Z, the table itself would add to the selection or take from it.
                flags = QItemSelectionModel.SelectionFlag
                model = self.rows.selectionModel()
                model.setCurrentIndex(self.rows.model().index(number, 0), flags.ClearAndSelect | flags.Rows)

    def step(self, ways: int) -> None:
        """Go to the next row, or to the one before."""
        if self.shown:
            number = (self.rows.currentRow() + ways) % len(self.shown)
            self.choose(self.shown[number].name)

    def _partner(self, row: PairRow) -> str | None:
        """Which lesion of the other scan *same* means: the other selected row, or the one that the grounds name."""
        numbers = {index.row() for index in self.rows.selectedIndexes()}
        others = [self.shown[n].name for n in numbers if self.shown[n].name != row.name]
        if len(others) > 1:
            msg = "select two rows at most: the lesion of the earlier scan and that of the later one"
            raise ConfigError(msg)
        return others[0] if others else row.partner

    # --- answering ---------------------------------------------------------------------------------------------------

    def act(self, name: str) -> None:
        """Answer the current row, and go to the next one that waits; or measure it."""
        if name in _MEASURED_ON:
            self.measure_asked.emit(_MEASURED_ON[name])
            return
        row = self.current
        if row is None:
            self.refused.emit("Select a lesion in the list first.")
            return
        before = {each.name: each.answer for each in self.shown}
        if not self._try(lambda: self._decide(name, row)) or name == "back":
            return
        if row.name not in {each.name for each in self.shown} or before != {n.name: n.answer for n in self.shown}:
            self._to_next(row.name)

    def _decide(self, name: str, row: PairRow) -> None:
        if name == "back":
            self.session.take_back(row.name)
        elif name == "too_small":
            self.session.decide(lambda reading: pair_statements.with_state(reading, row.name, "too_small"))
        else:
            answers: dict[str, IdentityAnswer] = {"same": "same", "new": "new", "gone": "gone", "unsure": "unsure"}
            self.session.answer(row.name, answers[name], self._partner(row) if name == "same" else None)

    def _to_next(self, lesion: str) -> None:
        """Go to the next row that waits; stay where none does."""
        names = [row.name for row in self.shown]
        first = names.index(lesion) + 1 if lesion in names else 0
        for number in (*range(first, len(names)), *range(first)):
            if self.shown[number].is_open:
                self.choose(names[number])
                return

    def _on_item(self, item: QTableWidgetItem) -> None:
        """A target was ticked, or a size was typed."""
        if self._filling or item.row() >= len(self.shown):
            return
        row = self.shown[item.row()]
        if item.column() == _TARGET:
            on = item.checkState() == Qt.CheckState.Checked
            soon(self, lambda: self._change(lambda: self._target(row.name, on)))
        elif item.column() in {_FIRST_SIZE, _FIRST_SIZE + 1}:
            scan, text = item.column() - _FIRST_SIZE, item.text()
            soon(self, lambda: self._change(lambda: self._size(row.name, scan, text)))

    def _target(self, lesion: str, on: bool) -> None:
        self.session.decide(lambda reading: pair_statements.with_target(reading, lesion, on))

    def _size(self, lesion: str, scan: int, text: str) -> None:
        size = _millimetres(text)
        where = self.session.scan_of(scan)
        self.session.decide(lambda pair: pair_statements.with_size(pair, lesion, where, size))

    def _change(self, act: Callable[[], object]) -> None:
        """Decide, and show the row as it was where that was refused."""
        if not self._try(act):
            self.renew()

    def _try(self, act: Callable[[], object]) -> bool:
        self.refused.emit("")
        try:
            act()
        except DotaliverError as error:
            text = str(error).removeprefix("the reader's edits: ")
            self.refused.emit(f"{text[:1].upper()}{text[1:]}.")
            return False
        return True

    # --- showing -----------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show the rows as they are now; the selected lesion stays selected."""
        row = self.current
        self.shown = self.session.rows
        self._filling = True
        self.rows.blockSignals(True)
        self.rows.setRowCount(len(self.shown))
        for number, each in enumerate(self.shown):
            for column, item in enumerate(_items(each)):
                self.rows.setItem(number, column, item)
        header = self.rows.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        if row is not None:
            self.choose(row.name)
        self.rows.blockSignals(False)
        self._filling = False
        self._describe()

    def _on_selection(self) -> None:
        self._describe()
        row = self.current
        if row is not None and not self._filling:
            self.row_chosen.emit(row)

    def _describe(self) -> None:
        """Say how many wait, why the current row has its state, and what *same* would mean for it."""
        waiting = sum(row.is_open for row in self.shown)
        of = f"of {len(self.shown)} lesions wait for an answer"
        self.waiting.setText(
            "No lesion on these scans." if not self.shown else f"{waiting} {of}." if waiting else "All are answered."
        )
        row = self.current
        words = "Select a row to see the lesion on both scans."
        self.why.setText(words if row is None else f"{row.name}, {_ROLES[row.lesion.role]}. {row.why}")
        try:
            partner = None if row is None else self._partner(row)
        except ConfigError:
            partner = None
        as_what = "" if partner is None else f" as {partner}"
        self.buttons["same"].setText(f"Same{as_what} ({ANSWER_KEYS['same'].key})")
        for act, button in self.buttons.items():
            button.setEnabled(row is not None and (act != "back" or row.answer is not None))


def _pressed(owner: VisitList, act: str) -> Callable[[bool], None]:
    def press(_checked: bool = False) -> None:
        owner.act(act)
        # The keys go on answering where a button was pressed.
        owner.rows.setFocus()

    return press


def _millimetres(text: str) -> float | None:
    """What was typed as a size; None where the cell was emptied."""
    plain = text.strip(" –").removesuffix("mm").strip()
    try:
        return float(plain.replace(",", ".")) if plain else None
    except ValueError as error:
        msg = f"{plain!r} is not a size; enter millimetres, or leave it empty to use the measured diameter"
        raise ConfigError(msg) from error


def _role_words(row: PairRow) -> str:
    """Which part a lesion plays in the response, and why."""
    why = row.lesion.role_reason
    return f"{_ROLES[row.lesion.role].capitalize()}{': ' + why if why else ''}"


def _items(row: PairRow) -> Sequence[QTableWidgetItem]:
    """The cells of a row; only target and sizes are entered in the table."""
    fixed = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
    peaks = [None if (found := row.on(scan)) is None else found.suv_peak for scan in (EARLIER, LATER)]
    texts = (
        row.name,
        f"✓ {row.state}" if row.answer is not None else row.state if not row.is_open else f"{row.state}?",
        "",
        *row.size_words,
        "" if row.change is None else percent(row.change),
        " → ".join("–" if peak is None else f"{peak:.1f}" for peak in peaks),
    )
    items = [QTableWidgetItem(text) for text in texts]
    for column, item in enumerate(items):
        item.setToolTip(row.why if column == _STATE else _role_words(row) if column == _TARGET else "")
        if column not in {_FIRST_SIZE, _FIRST_SIZE + 1}:
            item.setFlags(fixed)
        if column > _TARGET:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if row.is_open:
            font = item.font()
            font.setBold(column <= _STATE)
            item.setFont(font)
    items[_TARGET].setFlags(fixed | Qt.ItemFlag.ItemIsUserCheckable)
    items[_TARGET].setData(Qt.ItemDataRole.AccessibleTextRole, _ROLES[row.lesion.role])
    is_target = row.lesion.role == "target"
    items[_TARGET].setCheckState(Qt.CheckState.Checked if is_target else Qt.CheckState.Unchecked)
    for scan in (EARLIER, LATER):
        items[_FIRST_SIZE + scan].setToolTip("Double-click to enter the diameter in mm; in brackets: extent on PET")
    return items
