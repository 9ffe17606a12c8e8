# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of whom files belong to that are brought into the image; remembered. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from vmconsole.images.messages import Ownership
from vmconsole.ui.image_editor.look import plain_label, plain_tip

if TYPE_CHECKING:
    from vmconsole.settings.profile import Profile

KEY = "image-editor-ownership"


class OwnershipBox(QWidget):
    """``chosen`` is what holds now."""

    def __init__(self, profile: Profile | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._profile = profile
        self.box = QComboBox(self)
        self.box.setAccessibleName(self.tr("Owner of files that are brought in"))
        for ownership, text, tip in (
            (Ownership.FOLDER, self.tr("Like the folder"), self.tr("Owner, group and label of the folder")),
            (Ownership.ROOT, self.tr("root:root"), self.tr("Owner and group root, label of the folder")),
            (Ownership.AS_IS, self.tr("As in the source"), self.tr("Owner, access lists, labels and all else kept")),
        ):
            self.box.addItem(text, ownership.value)
            self.box.setItemData(self.box.count() - 1, tip, 3)
        whose = self.tr("Whom files of this computer belong to that are dropped, pasted or imported here.")
        self.box.setToolTip(plain_tip("\n".join([whose, self.tr("Files of another image stay whose they are.")])))
        kept = profile.get(KEY) if profile is not None else None
        self.box.setCurrentIndex(max(0, self.box.findData(kept)))
        self.box.currentIndexChanged.connect(self._on_changed)
        label = plain_label(self.tr("New files:"), self)
        label.setBuddy(self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label)
        row.addWidget(self.box)

    @property
    def chosen(self) -> Ownership:
        return Ownership(self.box.currentData())

    def _on_changed(self) -> None:
        if self._profile is not None:
            self._profile.put(KEY, self.chosen.value)
