"""From usage to money: prices, allocation, invoice, reconciliation, break-even; pure pandas, and no network.

    summary = usage.summary(rows, by=("team", "application", "model"))
    bill = chargeback.invoice(summary, window=window, fixed="614", allocation="tokens")
    chargeback.reconcile(calls, rows, bill)

`compare_statistics` and `compare_users` hold the portal's own statistics against the gateway's rows. `break_even` and
`verdict` set a server of one's own against hosted prices; `hoarded_and_shared` and `developers_at_break_even` set a GPU
for each developer against shared ones. `PriceList.read().save(path)` writes prices that you may edit.

Whatever is summed is a Decimal, so that nothing is lost or gained by adding up.
"""

from __future__ import annotations

from maas_lab.chargeback.allocation import allocate
from maas_lab.chargeback.breakeven import break_even, developers_at_break_even, hoarded_and_shared, verdict
from maas_lab.chargeback.invoices import Invoice, invoice
from maas_lab.chargeback.prices import PriceList, TokenPrice
from maas_lab.chargeback.reconciliation import Reconciliation, reconcile
from maas_lab.chargeback.statistics import compare_statistics, compare_users
from maas_lab.errors import AccountingError, MissingPrice

__all__ = [
    "AccountingError",
    "Invoice",
    "MissingPrice",
    "PriceList",
    "Reconciliation",
    "TokenPrice",
    "allocate",
    "break_even",
    "compare_statistics",
    "compare_users",
    "developers_at_break_even",
    "hoarded_and_shared",
    "invoice",
    "reconcile",
    "verdict",
]
