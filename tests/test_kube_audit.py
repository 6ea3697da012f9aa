"""The request log of the local cluster stays small, private and quiet."""

import json
import stat

from maas_lab.local.kube.audit import Audit, Entry
from maas_lab.local.kube.users import ADMIN


def test_a_full_log_is_begun_anew_and_one_old_one_is_kept(tmp_path):
    audit = Audit(tmp_path / "audit.log", largest=5000)
    for number in range(100):
        audit.write(Entry("GET", f"/api?n={number}", "test", ADMIN), 200)
    audit.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["audit.log", "audit.log.1"]
    assert all(file.stat().st_size <= 5000 for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    last = [json.loads(line)["requestURI"] for line in files[0].read_text().splitlines()]
    assert last[-1] == "/api?n=99"


def test_a_log_is_gone_on_with_after_a_restart(tmp_path):
    for code in (200, 403):
        audit = Audit(tmp_path / "audit.log")
        audit.write(Entry("GET", "/version", "test"), code)
        audit.close()
    lines = (tmp_path / "audit.log").read_text().splitlines()
    assert [json.loads(line)["responseStatus"]["code"] for line in lines] == [200, 403]


def test_a_log_that_cannot_be_written_refuses_nobody(tmp_path):
    Audit(tmp_path / "missing" / "audit.log").write(Entry("GET", "/", "x" * 10_000), 200)


def test_what_clients_say_of_themselves_does_not_fill_the_log(tmp_path):
    audit = Audit(tmp_path / "audit.log")
    audit.write(Entry("GET", "/" + "a" * 100_000, "x" * 100_000), 404)
    audit.close()
    assert (tmp_path / "audit.log").stat().st_size < 2000
