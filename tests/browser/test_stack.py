"""What `./lab up` has deployed, opened as a learner opens it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("where", ["laptop", "workbench"])
def test_the_portal_that_up_has_deployed(stack, page, proxied, log_in, where):
    url = f"{stack.platform.portal_url}/"
    log_in(page, url if where == "laptop" else proxied(url), "alice", stack.local.password("alice"))
    expect(page.locator("body")).to_contain_text("alice")
