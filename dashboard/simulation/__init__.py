"""Traffic over HTTP at a set rate or from a number of users, and what became of it.

A run is planned from its options and seed (`plan`, `stages`, `scores`), carried out against a
service (`run`, over the connections of `exchange`, for the players of `players`), counted
(`recorder`, `histogram`), settled (`settling`) and compared with the ledger (`ledger`). All that
is done by `conducting` in a process of its own, which leaves its trace in a `run_directory`, where
the console finds it. Whoever shows a run polls frozen `reports`; the engine itself prints nothing.
"""
