# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's XML with the place of each element in its text, so that one element can be changed and every other byte
stays: writing a parsed tree again would change quotes, spaces and entities all over it. Pure; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from xml.parsers import expat

from vmconsole.inventory.errors import BadDescription

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INDENT = "  "


@dataclass(slots=True, eq=False)
class Span:
    """One element: its bytes are ``start`` to ``end``; what is inside lies between ``inner`` and ``closing``."""

    name: str
    attributes: dict[str, str]
    parent: Span | None
    start: int
    inner: int = 0
    closing: int = 0
    end: int = 0
    text: str = ""
    children: list[Span] = field(default_factory=list)

    def all(self, path: str) -> Iterator[Span]:
        """Elements below by a path of names, «cputune/vcpupin»."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> Span | None:
        return next(self.all(path), None)

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1


class XmlText:
    """The text and its elements. Changes are made one at a time; after each the places are found anew."""

    def __init__(self, text: str) -> None:
        """Raises BadDescription for what is not well-formed, or has a document type of its own."""
        self._bytes = text.encode("utf-8", errors="surrogateescape")
        self.root = _parsed(self._bytes)

    def __str__(self) -> str:
        return self._bytes.decode("utf-8", errors="surrogateescape")

    def _replace(self, start: int, end: int, new: str) -> None:
        self._bytes = self._bytes[:start] + new.encode() + self._bytes[end:]
        self.root = _parsed(self._bytes)

    def remove(self, span: Span) -> None:
        """With the line it stands on, and with whatever is empty then."""
        parent = span.parent
        while parent is not None and parent.parent is not None and len(parent.children) == 1 and not parent.attributes:
            span, parent = parent, parent.parent
        start = span.start
        while start and self._bytes[start - 1 : start] in (b" ", b"\t"):
            start -= 1
        if start and self._bytes[start - 1 : start] == b"\n":
            start -= 1
        else:
            start = span.start
        self._replace(start, span.end, "")

    def set_text(self, span: Span, text: str) -> None:
        self._replace(span.start, span.end, element(span.name, text, span.attributes))

    def set_attributes(self, span: Span, changes: Mapping[str, str | None]) -> None:
        """None takes an attribute away. What is inside the element stays as it is."""
        after = {**span.attributes, **changes}
        kept = {name: value for name, value in after.items() if value is not None}
        tag = _tag(span.name, kept) + ("/>" if span.inner == span.end else ">")
        self._replace(span.start, span.inner, tag)

    def add(self, parent: Span, new: str) -> None:
        """``new`` on a line of its own, as the last child."""
        line = f"\n{INDENT * (parent.depth + 1)}{new}"
        if parent.inner == parent.end:  # <parent/>
            whole = f"{_tag(parent.name, parent.attributes)}>{line}\n{INDENT * parent.depth}</{parent.name}>"
            self._replace(parent.start, parent.end, whole)
        elif parent.children:
            at = parent.children[-1].end
            self._replace(at, at, line)
        else:
            self._replace(parent.inner, parent.closing, f"{line}\n{INDENT * parent.depth}")

    def made(self, path: str) -> Span:
        """The element at a path below the root, which is added where it is missing."""
        here = self.root
        for name in path.split("/"):
            if here.first(name) is None:
                where = _path_of(here)
                self.add(here, f"<{name}/>")
                here = self._at(where)
            found = here.first(name)
            assert found is not None
            here = found
        return here

    def _at(self, path: list[int]) -> Span:
        here = self.root
        for number in path:
            here = here.children[number]
        return here

    def place_of(self, span: Span) -> list[int]:
        """To find an element again after a change that was made inside of it; see ``again``."""
        return _path_of(span)

    def again(self, place: list[int]) -> Span:
        return self._at(place)


def element(name: str, text: str = "", attributes: Mapping[str, str] | None = None) -> str:
    """An element as libvirt writes it, with single quotes."""
    tag = _tag(name, attributes or {})
    return f"{tag}>{_escaped(text)}</{name}>" if text else f"{tag}/>"


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    return f"<{name}" + "".join(f" {key}='{_escaped(value)}'" for key, value in attributes.items())


def _escaped(text: str) -> str:
    for sign, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ("'", "apos"), ('"', "quot")):
        text = text.replace(sign, f"&{name};")
    return text


def _path_of(span: Span) -> list[int]:
    found: list[int] = []
    while span.parent is not None:
        found.insert(0, span.parent.children.index(span))
        span = span.parent
    return found


def _parsed(data: bytes) -> Span:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    top: list[Span] = []
    stack: list[Span] = []

    def opened(name: str, attributes: dict[str, str]) -> None:
        span = Span(name, attributes, stack[-1] if stack else None, parser.CurrentByteIndex)
        span.inner = _end_of_tag(data, span.start)
        (stack[-1].children if stack else top).append(span)
        stack.append(span)

    def closed(_: str) -> None:
        span = stack.pop()
        is_alone = data[span.inner - 2 : span.inner] == b"/>"
        span.closing = span.inner if is_alone else parser.CurrentByteIndex
        span.end = span.inner if is_alone else _end_of_tag(data, span.closing)

    def said(text: str) -> None:
        stack[-1].text += text

    def no_doctype(*_: object) -> NoReturn:
        raise BadDescription("The guest's definition has a document type of its own, which none of libvirt's has.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = opened, closed, said
    parser.StartDoctypeDeclHandler = no_doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003  expat takes no keywords
    except expat.ExpatError as error:
        raise BadDescription(f"The guest's definition is not well-formed XML: {error}.") from error
    return top[0]


def _end_of_tag(data: bytes, start: int) -> int:
    """Behind the «>» that ends the tag at ``start``: in an attribute's value it may stand for itself."""
    quote = 0
    for at in range(start, len(data)):
        sign = data[at]
        if quote:
            quote = 0 if sign == quote else quote
        elif sign in b"'\"":
            quote = sign
        elif sign == 0x3E:
            return at + 1
    return len(data)
