# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: builds every part by constructor arguments, runs the window, closes in reverse order."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from vmconsole import __version__
from vmconsole.app import garbage, logs
from vmconsole.app.after import AfterRun
from vmconsole.app.bench import BenchReport
from vmconsole.app.drafts import offer_drafts
from vmconsole.app.dump import dump_of
from vmconsole.app.first_paint import FirstPaint
from vmconsole.app.hosts import LinkMaker, connect_all
from vmconsole.app.in_turn import in_turn, window_pieces
from vmconsole.app.limit_record import LimitRecord
from vmconsole.app.logins import LoginMaker
from vmconsole.app.turns import take_short_turns
from vmconsole.app.warm_up import DEMO, FIGURES, HOSTS, PARTS, WarmUp
from vmconsole.images.spare import Spare
from vmconsole.links.fleet import Fleet
from vmconsole.links.guard import Guard
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.limit_history import LimitHistory
from vmconsole.settings.profile import Profile
from vmconsole.settings.secrets import KeyringSecrets
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.login_queue import LoginQueue
from vmconsole.ui.main_window import MainWindow
from vmconsole.ui.theme import Theme
from vmconsole.ui.watchdog import Watchdog

if TYPE_CHECKING:
    from vmconsole.app.cli import Options
    from vmconsole.app.edit_target import EditTarget
    from vmconsole.inventory.ids import HostId

WAKE_MS = 200


def run(options: Options) -> int:
    """Show the window and stay until it is closed; the program's exit status."""
    take_short_turns()
    garbage.hold()
    with ExitStack() as parts:
        profile = Profile(options.profile)
        parts.enter_context(logs.set_up(profile.state_dir, debug=options.debug))
        app = _application()
        theme = Theme(app)
        app.setWindowIcon(theme.icon("vmconsole"))  # of all windows
        store = Store()
        bridge = Bridge(store)
        parts.callback(bridge.close)
        secrets = KeyringSecrets(marker=profile.state_dir / "keyring-used")
        parts.callback(secrets.close)
        run_dir = _run_dir(parts)
        questions = LoginQueue(bridge, theme, app)
        is_alone = options.after_s is not None
        logins = LoginMaker(questions, secrets, bridge.post, run_dir=run_dir, nobody_there=is_alone)
        parts.callback(logins.close)
        logins.start()
        may_log_in = options.use_keyring or not is_alone  # else ssh runs in batch mode
        links = LinkMaker(bridge.post, run_dir=run_dir, profile=profile, make_login=logins.make if may_log_in else None)
        parts.callback(links.close)
        fleet = Fleet(links.make, bridge.post)
        parts.callback(fleet.close)
        history = LimitHistory(profile.state_dir / "limits.jsonl")
        record = LimitRecord(history)
        parts.callback(record.close)
        runner = OperationRunner(
            fleet.link, bridge.post, host_name=lambda host: _name_of(store, host), on_done=record.done
        )
        parts.callback(runner.close)
        spare = Spare()
        parts.callback(spare.close)
        context = Context(
            store=store, bridge=bridge, fleet=fleet, runner=runner, profile=profile, theme=theme,
            secrets=secrets, limit_history=history,
            diagnose=links.diagnose, spare=spare,
        )  # fmt: skip
        _leave_on_signals(app)
        if options.edit_image is not None:
            return _edit_image(app, options.edit_image, context, questions)
        window = _window(context, parts, debug=options.debug)
        report = BenchReport(window, options.bench) if options.bench else None
        questions.set_window(window)
        _begin_when_painted(options, context, window, parts)
        window.show()
        if options.show:
            window.show_guest_named(options.show)
        if options.after_s is not None:
            AfterRun(options, context, window, leave=app.exit)
        status = app.exec()
        if report is not None:
            report.write()
        questions.close()
        window.close()
        return status


def _begin_when_painted(options: Options, context: Context, window: MainWindow, parts: ExitStack) -> None:
    """What a host does, and what is loaded, delays no window."""

    def connect() -> None:
        connect_all(options, context.fleet, context.profile, context.bridge.post)

    def offer() -> None:
        garbage.set_apart()
        if options.after_s is None and options.demo is None:
            parts.callback(offer_drafts(context, window).close_down)

    needed = HOSTS if options.demo is None else DEMO
    stages = [(needed, connect), ((*FIGURES, *PARTS), lambda: in_turn(window, window_pieces(), then=offer))]
    warm_up = WarmUp(stages, window)
    parts.callback(warm_up.close)

    def begin() -> None:
        garbage.set_apart()
        warm_up.start()

    FirstPaint(window, begin)


def _window(context: Context, parts: ExitStack, *, debug: bool) -> MainWindow:
    window = MainWindow(context)
    window.set_dump_maker(lambda: dump_of(context.store))
    if debug:
        watchdog = Watchdog(window)
        watchdog.start()
        parts.callback(watchdog.close)
        window.show_inside(lambda: watchdog.stalls)
    return window


def _edit_image(app: QApplication, target: EditTarget, context: Context, questions: LoginQueue) -> int:
    from vmconsole.app.edit_image import EditImageRun  # late: the whole console needs no editor before one is opened

    run = EditImageRun(target, context, leave=app.exit)
    questions.set_window(run.window)
    QTimer.singleShot(0, run, garbage.set_apart)
    QTimer.singleShot(0, run, run.start)
    status = app.exec()
    questions.close()
    run.close()
    return status


def _application() -> QApplication:
    app = QApplication(sys.argv[:1])
    app.setApplicationName("vmconsole")
    app.setApplicationDisplayName("vmconsole")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("vmconsole")
    return app


def _name_of(store: Store, host: HostId) -> str:
    known = store.hosts.get(host)
    return known.name if known is not None else host


def _run_dir(parts: ExitStack) -> Path:
    """A private folder with a short path: UNIX socket paths end at 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="vmc-"))
    parts.callback(shutil.rmtree, path, ignore_errors=True)
    guard = Guard(path)
    guard.start()
    parts.callback(guard.close)
    return path


def _leave_on_signals(app: QApplication) -> None:
    """Ctrl+C and SIGTERM end the program in order. A timer lets Python see the signal while Qt's loop runs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: app.exit(0))  # quit() would let a window with a draft refuse
    waker = QTimer(app)
    waker.timeout.connect(lambda: None)
    waker.start(WAKE_MS)
