# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh's questions on the screen: what they say, what each key and button does, and one after the other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialogButtonBox, QLabel, QLineEdit, QPushButton, QToolButton, QWidget

from vmconsole.inventory.ids import HostId
from vmconsole.links.prompts import Answer, Prompt, PromptKind
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.login_dialog import LoginDialog
from vmconsole.ui.login_queue import LoginQueue
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

HOST = HostId("qemu+ssh://root@kvm1/system")
FINGERPRINT = "SHA256:SXe0bFRuC9XSrkbbWIXLUpI1SMKZR3S2TG9gF+DuHuQ"


def password(name: str = "kvm1", **more: object) -> Prompt:
    return Prompt(HOST, name, PromptKind.PASSWORD, "x", account=f"root@{name}:22", **more)  # type: ignore[arg-type]


def passphrase(name: str, file: str = "/home/ada/.ssh/id") -> Prompt:
    return Prompt(HostId(name), name, PromptKind.PASSPHRASE, "x", key_file=file)


def host_key() -> Prompt:
    return Prompt(
        HOST, "kvm1", PromptKind.HOST_KEY, "x", key_type="ED25519", fingerprint=FINGERPRINT, notes=("A note of ssh.",)
    )


class Waiting:
    """A question that keeps what became of it."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.given: list[Answer | None] = []

    def answer(self, answer: Answer) -> None:
        self.given.append(answer)

    def cancel(self) -> None:
        if not self.given:
            self.given.append(None)


@pytest.fixture
def queue(qapp: object, qtbot: QtBot) -> Iterator[LoginQueue]:
    bridge = Bridge(Store())
    found = LoginQueue(bridge, Theme())
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    found.set_window(window)
    yield found
    found.close()
    bridge.close()


def shown(queue: LoginQueue, qtbot: QtBot) -> LoginDialog:
    qtbot.waitUntil(lambda: queue.dialog is not None and queue.dialog.isVisible())
    assert queue.dialog is not None
    return queue.dialog


def ask(queue: LoginQueue, qtbot: QtBot, prompt: Prompt) -> tuple[Waiting, LoginDialog]:
    question = Waiting(prompt)
    queue.ask(question)
    return question, shown(queue, qtbot)


def texts(dialog: LoginDialog) -> str:
    return "\n".join(label.text() for label in dialog.findChildren(QLabel) if label.isVisible())


def field(dialog: LoginDialog) -> QLineEdit:
    return dialog.findChild(QLineEdit)


def button(dialog: LoginDialog, text: str) -> QPushButton:
    return next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == text)


def test_it_says_which_host_and_what_for_and_enter_answers(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, password())
    assert dialog.windowTitle() == "Log In to kvm1"
    assert "Password for root@kvm1:22" in texts(dialog)
    assert "to connect to kvm1" in texts(dialog)
    assert not dialog.isModal()
    assert field(dialog).accessibleName() == "Password for root@kvm1:22"
    qtbot.keyClicks(field(dialog), "geheim")
    assert field(dialog).echoMode() is QLineEdit.EchoMode.Password
    qtbot.keyClick(field(dialog), Qt.Key.Key_Return)
    assert question.given == [Answer("geheim")]
    qtbot.waitUntil(lambda: queue.dialog is None)


@pytest.mark.parametrize("how", ["escape", "close", "button"])
def test_leaving_it_gives_the_login_up(queue: LoginQueue, qtbot: QtBot, how: str) -> None:
    question, dialog = ask(queue, qtbot, password())
    qtbot.keyClicks(field(dialog), "half a pass")
    if how == "escape":
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    elif how == "close":
        dialog.close()
    else:
        button(dialog, "Cancel").click()
    assert question.given == [None]


def test_what_is_typed_can_be_shown(queue: LoginQueue, qtbot: QtBot) -> None:
    _, dialog = ask(queue, qtbot, password())
    reveal = dialog.findChild(QToolButton)
    assert reveal.accessibleName() == "Show what is typed"
    reveal.click()
    assert field(dialog).echoMode() is QLineEdit.EchoMode.Normal
    reveal.click()
    assert field(dialog).echoMode() is QLineEdit.EchoMode.Password


def test_remembering_is_a_wish(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, password())
    box = dialog.findChild(QCheckBox)
    assert box.isEnabled()
    assert not box.isChecked()
    box.click()
    qtbot.keyClicks(field(dialog), "x")
    button(dialog, "Log In").click()
    assert question.given == [Answer("x", remember=True)]


def test_without_a_keyring_remembering_is_greyed_with_the_reason(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, password(cannot_remember="There is no keyring."))
    box = dialog.findChild(QCheckBox)
    assert not box.isEnabled()
    assert box.accessibleDescription() == "There is no keyring."
    assert "There is no keyring." in texts(dialog)
    qtbot.keyClick(field(dialog), Qt.Key.Key_Return)
    assert question.given == [Answer("", remember=False)]


def test_what_is_good_for_once_offers_no_remembering(queue: LoginQueue, qtbot: QtBot) -> None:
    code = Prompt(HOST, "kvm1", PromptKind.OTHER, "(root@kvm1) Verification code: ", cannot_remember="Once.")
    _, dialog = ask(queue, qtbot, code)
    assert not dialog.findChild(QCheckBox).isVisible()
    assert "Verification code" in texts(dialog)


def test_a_refused_answer_is_said_to_be_one(queue: LoginQueue, qtbot: QtBot) -> None:
    _, dialog = ask(queue, qtbot, password(was_refused=True))
    assert "was not accepted" in texts(dialog)


def test_a_host_key_is_shown_and_enter_alone_does_not_accept_it(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, host_key())
    assert FINGERPRINT in texts(dialog)
    assert "ED25519" in texts(dialog)
    assert "A note of ssh." in texts(dialog)
    assert "/etc/ssh/ssh_host_ed25519_key.pub" in texts(dialog)
    assert not field(dialog).isVisible()
    qtbot.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Return)
    assert question.given == [None]


def test_a_host_key_is_accepted_by_its_button(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, host_key())
    button(dialog, "Accept Key").click()
    assert question.given == [Answer("yes")]


def test_yes_and_no(queue: LoginQueue, qtbot: QtBot) -> None:
    for text, word in (("Yes", "yes"), ("No", "no")):
        question, dialog = ask(queue, qtbot, Prompt(HOST, "kvm1", PromptKind.CONFIRM, "Use it? (yes/no): "))
        assert "Use it?" in texts(dialog)
        button(dialog, text).click()
        assert question.given == [Answer(word)]
        qtbot.waitUntil(lambda: queue.dialog is None)


def test_a_notice_has_nothing_to_answer_and_goes_by_itself(queue: LoginQueue, qtbot: QtBot) -> None:
    question, dialog = ask(queue, qtbot, Prompt(HOST, "kvm1", PromptKind.NOTICE, "Confirm user presence for key K"))
    assert "Confirm user presence for key K" in texts(dialog)
    box = dialog.findChild(QDialogButtonBox)
    assert [b.text().replace("&", "") for b in box.buttons()] == ["Cancel"]
    queue.withdraw(question)
    qtbot.waitUntil(lambda: queue.dialog is None)


def test_what_a_host_says_is_text_and_no_markup(queue: LoginQueue, qtbot: QtBot) -> None:
    _, dialog = ask(queue, qtbot, Prompt(HOST, "kvm1", PromptKind.OTHER, "<a href='http://x'>click</a><b>code</b>"))
    label = next(one for one in dialog.findChildren(QLabel) if "click" in one.text())
    assert label.textFormat() is Qt.TextFormat.PlainText


def test_several_hosts_are_asked_one_after_the_other(queue: LoginQueue, qtbot: QtBot) -> None:
    questions = [Waiting(password(name)) for name in ("kvm1", "kvm2", "kvm3")]
    threads = [threading.Thread(target=queue.ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
        thread.join()
    dialog = shown(queue, qtbot)
    qtbot.waitUntil(lambda: "2 more logins" in texts(dialog))
    seen = []
    for left in ("2 more logins", "1 more login", ""):
        dialog = shown(queue, qtbot)
        assert left in texts(dialog)
        seen.append(dialog.windowTitle())
        qtbot.keyClicks(field(dialog), dialog.windowTitle()[-1])
        button(dialog, "Log In").click()
    assert seen == ["Log In to kvm1", "Log In to kvm2", "Log In to kvm3"]
    assert [question.given for question in questions] == [[Answer("1")], [Answer("2")], [Answer("3")]]


def test_one_key_of_many_hosts_is_asked_for_once(queue: LoginQueue, qtbot: QtBot) -> None:
    questions = [Waiting(passphrase(name)) for name in ("kvm1", "kvm2", "kvm3")]
    other = Waiting(passphrase("kvm4", "/another"))
    for question in (*questions, other):
        queue.ask(question)
    dialog = shown(queue, qtbot)
    qtbot.waitUntil(lambda: "3 more" in texts(dialog))
    qtbot.keyClicks(field(dialog), "geheim")
    button(dialog, "Log In").click()
    assert [question.given for question in questions] == [[Answer("geheim")]] * 3
    assert other.given == []
    assert "/another" in texts(shown(queue, qtbot))


def test_a_question_withdrawn_while_it_waits_is_never_shown(queue: LoginQueue, qtbot: QtBot) -> None:
    first, gone, last = (Waiting(password(name)) for name in ("kvm1", "kvm2", "kvm3"))
    for question in (first, gone, last):
        queue.ask(question)
    queue.withdraw(gone)
    dialog = shown(queue, qtbot)
    qtbot.waitUntil(lambda: "1 more login " in texts(dialog))
    button(dialog, "Cancel").click()
    assert "kvm3" in shown(queue, qtbot).windowTitle()


def test_closing_the_queue_gives_all_up(queue: LoginQueue, qtbot: QtBot) -> None:
    first, _ = ask(queue, qtbot, password())
    second = Waiting(password("kvm2"))
    queue.ask(second)
    qtbot.waitUntil(lambda: "1 more" in texts(shown(queue, qtbot)))
    queue.close()
    assert first.given == second.given == [None]
    assert queue.dialog is None


def test_the_dialog_is_as_high_as_its_text(qapp: object, qtbot: QtBot) -> None:
    theme = Theme()
    for prompt in (password(), host_key(), password(cannot_remember="Some reason that is long. " * 6)):
        dialog = LoginDialog(prompt, theme, None)
        qtbot.addWidget(dialog)
        dialog.show()
        layout = dialog.layout()
        assert layout is not None
        assert dialog.height() == pytest.approx(layout.totalHeightForWidth(dialog.width()), abs=2)
