"""Directory and matrices held side by side: what only shows then."""

from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from matrix.agreement import read_files
from scheduler.calendar import BusinessCalendar

SLIP = """\
workspace:
  id: acme
  name: Acme
  calendar: office
  default_matrix: support-process
  fallback_channel: local:#help
calendars:
  office: {zone: Europe/Paris, hours: {mon-fri: "09:00-17:00"}}
roles:
  customer-support-representative: {owners: local:alice}
  senior-support-specialst: {owners: local:bob}
"""


def test_a_slip_in_the_name_of_a_role_is_told_although_there_is_a_fallback(tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(SLIP, encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        read_files(file, None, BusinessCalendar, {"local"})

    assert [str(problem) for problem in caught.value.problems] == [
        "directory.yaml:11: no matrix has a role 'senior-support-specialst'; did you mean 'senior-support-specialist'?"
    ]
