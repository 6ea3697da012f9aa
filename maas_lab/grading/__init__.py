"""Grade a cohort: every learner's notebooks in a room and on a lab of their own, and a report of who passed what.

`submissions` finds what was handed in; `pool` runs a `worker` for each learner in a `room`, whose walls are
`namespaces`; the worker puts the `workbook`'s checks back into what was `submitted`, does the `execution`, and writes
`verdicts`; `report` tells them.
"""
