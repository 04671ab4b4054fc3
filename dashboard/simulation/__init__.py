"""Traffic over HTTP at a set rate or from a number of users, and what became of it.

`runner` is one run in a process of its own: it finds the players (`players`), carries out the plan
(`run`: what and when is in `workload`, how it reaches the service in `client`), sends submits whose
fate is unknown again (`resubmission`), compares with the ledger (`ledger_check`), and leaves a
trace where the console finds it (`reports.run_directory`). Whoever shows a run polls the frozen
figures of `reports.report`; `run` itself prints nothing, and the benchmarks call it as a library.
"""
