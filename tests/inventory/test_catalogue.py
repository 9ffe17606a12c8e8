# SPDX-License-Identifier: GPL-3.0-or-later
"""Each entry of the catalogue: its samples find it and no other, its texts are whole sentences of plain words."""

from __future__ import annotations

import logging
import re
import string
from pathlib import Path

import pytest

import vmconsole
from vmconsole.inventory import errors
from vmconsole.inventory.catalogue import ACTIONS, SOURCES, Catalogue, Entry, Failure, catalogue, load
from vmconsole.inventory.unknown_log import MOST_KEPT, UnknownLog

ENTRIES = tuple(entry for entry in catalogue().entries if not entry.is_own)
OWN = tuple(entry for entry in catalogue().entries if entry.is_own)
CASES = [
    pytest.param(entry, sample, source, id=f"{entry.id}-{source}-{number}")
    for entry in ENTRIES
    for source in sorted(entry.sources)
    for number, sample in enumerate(entry.samples)
]
EACH = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
EACH_AND_OWN = pytest.mark.parametrize("entry", [*ENTRIES, *OWN], ids=lambda entry: entry.id)
JARGON = re.compile(
    r"\bvir[A-Z]|VIR_|\bvirt(?:D|C|N|S)\w+|\b[Dd]omains?\b|\berrno\b|\bmonitor\b|\bRPC\b|\btunable\b|\bnodedev\b|\bUUID\b(?=_)"
)
LINK_KINDS = {errors.LinkError, *errors.LinkError.__subclasses__()}


def failure_of(entry: Entry, sample: str, source: str) -> Failure:
    if source != "libvirt":
        return Failure(source, sample, host="kvm1")
    return Failure(source, sample, code=min(entry.codes, default=1), domain=min(entry.domains, default=0), host="kvm1")


def texts_of(entry: Entry) -> tuple[str, str, str]:
    return entry.what, entry.cause, entry.advice


@pytest.mark.parametrize(("entry", "sample", "source"), CASES)
def test_a_sample_finds_its_entry_and_fills_it(entry: Entry, sample: str, source: str) -> None:
    found = catalogue().find(failure_of(entry, sample, source))
    assert found is not None
    assert found.entry.id == entry.id
    for text in (found.what, found.cause, found.advice):
        assert not re.search(r"[{}]|  | \.(?:\s|$)|\(\)|«»", text), text
    for name in placeholders(entry) - {"host"}:
        assert dict(found.names)[name], f"{name} is empty"


@EACH
def test_every_code_and_part_that_an_entry_names_finds_it(entry: Entry) -> None:
    if "libvirt" not in entry.sources:
        return
    for code in entry.codes or {1}:
        for domain in entry.domains or {0, 10}:
            found = catalogue().find(Failure("libvirt", entry.samples[-1], code=code, domain=domain))
            assert found is not None
            assert found.entry.id == entry.id, (code, domain)


@EACH
def test_an_entry_does_not_take_what_others_said(entry: Entry) -> None:
    for source in SOURCES - entry.sources:
        assert entry.match(failure_of(entry, entry.samples[0], source)) is None
    if entry.codes:
        assert (
            entry.match(Failure("libvirt", entry.samples[0], code=9999, domain=min(entry.domains, default=0))) is None
        )


@EACH_AND_OWN
def test_texts_are_whole_sentences_in_plain_words(entry: Entry) -> None:
    assert entry.what
    for text in filter(None, texts_of(entry)):
        assert re.match(r"[A-Z{0-9µ]|libvirt|ssh|sshd|virsh|/dev/|python3|vmconsole", text), text
        filled = text.format(host="kvm1", **dict(entry.names)) if entry.is_own else text
        assert re.search(r"[.!?]$", filled), text
        assert not JARGON.search(re.sub(r"`[^`]*`", "", text)), text
        assert text.count("`") % 2 == 0
    assert entry.advice, "it does not say what to do"


@EACH
def test_placeholders_are_named_groups_of_the_pattern(entry: Entry) -> None:
    groups = set(re.compile(entry.pattern).groupindex)
    assert placeholders(entry) <= groups | {"host"}


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.id)
def test_what_the_console_finds_itself_is_filled_by_its_id_alone(entry: Entry) -> None:
    assert placeholders(entry) - {"host"} == {name for name, _ in entry.names}
    found = catalogue().own(entry.id, where="kvm1", host="kvm1", **dict(entry.names))
    assert (found.entry, found.action) == (entry.id, entry.action)
    for text in (found.what, found.cause, found.advice):
        assert not re.search(r"[{}]|  | \.(?:\s|$)|\(\)|«»", text), text
    for value in dict(entry.names).values():
        assert value in found.text()
    assert entry.match(Failure("console", entry.id)) is None


def test_every_own_entry_is_used_by_the_console_and_every_id_that_it_asks_for_is_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(vmconsole.__file__).parent.rglob("*.py"))
    unused = [entry.id for entry in OWN if f'"{entry.id}"' not in code]
    assert unused == []


def placeholders(entry: Entry) -> set[str]:
    return {name for text in texts_of(entry) for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@EACH
def test_kinds_fit_the_source(entry: Entry) -> None:
    if "ssh" in entry.sources:
        assert entry.error in LINK_KINDS
    if "image" in entry.sources:
        assert issubclass(entry.error, errors.ImageError)
        assert entry.sources == {"image"}, "the catalogue's images speak of files, not of hosts"
    if "libvirt" in entry.sources:
        assert not issubclass(entry.error, errors.ImageError)
        assert entry.codes, "libvirt's words are translated by its host's language now and then: its numbers are not"


def test_the_catalogue_is_large_enough_and_uses_each_source_and_action() -> None:
    assert len(ENTRIES) >= 70
    assert {source for entry in ENTRIES for source in entry.sources} == SOURCES
    assert {entry.action for entry in ENTRIES + OWN if entry.action} == ACTIONS


def test_an_unknown_error_is_shown_as_such_and_logged_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    words = "the flux is out of phase, password=hunter2"
    with caplog.at_level(logging.WARNING):
        error = catalogue().explain(
            Failure("libvirt", words, code=4711, domain=99), tried="start web1", where="kvm1",
            otherwise=errors.OperationRefused, what="libvirt says no.",
        )  # fmt: skip
    assert type(error) is errors.OperationRefused
    assert error.explanation.entry == errors.NOT_IN_CATALOGUE
    assert error.explanation.what == "Could not start web1. libvirt says no."
    assert error.explanation.said == words
    assert "not in the catalogue" in error.explanation.advice
    assert "flux" in caplog.text
    assert "4711" in caplog.text
    assert "hunter2" not in caplog.text


def test_an_unknown_error_of_every_second_is_logged_once_and_then_by_its_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fresh = Catalogue((), {})
    with caplog.at_level(logging.WARNING):
        for second in range(1000):
            fresh.find(Failure("libvirt", f"the flux of process {second} is out of phase", code=4711))
        fresh.find(Failure("libvirt", "the flux of process 1 is out of phase", code=4712))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 5
    assert told[0].startswith("not in the catalogue: libvirt, code 4711")
    assert [line.partition(":")[0] for line in told[1:4]] == [
        f"not in the catalogue ({count} times by now)" for count in (10, 100, 1000)
    ]
    assert "4712" in told[4]


def test_the_count_forgets_what_has_not_come_for_long() -> None:
    log = UnknownLog()
    assert log.count("steady") == 1
    for number in range(MOST_KEPT * 3):
        log.count("word " + "x" * number)
        log.count("steady")
    assert len(log._counts) == MOST_KEPT
    assert log._counts[("steady",)] == MOST_KEPT * 3 + 1


def test_a_known_error_is_not_logged_as_unknown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        catalogue().find(Failure("ssh", "Too many authentication failures"))
    assert not caplog.records


def test_without_a_hosts_name_a_sentence_still_begins_with_a_capital() -> None:
    found = catalogue().find(Failure("ssh", "Timeout, server x not responding."))
    assert found is not None
    assert found.what == "The host stopped answering."


def test_what_is_broken_in_a_catalogue_is_refused(tmp_path: Path) -> None:
    def made(**changes: str) -> Catalogue:
        raw = {"id": "a", "source": "ssh", "pattern": "x", "error": "LinkLost", "what": "It.", "sample": "x"} | changes
        text = "\n".join(f"{key} = {value!r}" for key, value in raw.items())
        (tmp_path / "a.toml").write_text(f"[[entry]]\n{text}\n", encoding="utf-8")
        return load(tmp_path)

    assert made().by_id["a"].what == "It."
    for changes in ({"source": "nobody"}, {"action": "dance"}):
        with pytest.raises(ValueError, match="no such"):
            made(**changes)
    made()
    text = (tmp_path / "a.toml").read_text(encoding="utf-8")
    (tmp_path / "b.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="two entries"):
        load(tmp_path)


def test_what_is_tried_last_is_tried_last() -> None:
    kinds = [entry.is_fallback for entry in ENTRIES]
    assert kinds == sorted(kinds)
    assert any(kinds)
