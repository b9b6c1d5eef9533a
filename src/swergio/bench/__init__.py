"""
What ``swergio bench`` measures, and what the folder ``benchmarks/`` of the repository is built on.

Sender, receiver and broker are processes of their own. `swergio.bench.processes` starts and ends them,
`swergio.bench.role` is the program that each of them runs, `swergio.bench.measures` has them play together.
"""
