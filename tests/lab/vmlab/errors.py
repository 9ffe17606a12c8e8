# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the lab, with words for the person who called it."""


class LabError(Exception):
    """Something the lab cannot do; the message says what, why and what to do about it."""
