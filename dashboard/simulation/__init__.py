"""Traffic over HTTP at a set rate, and what became of it.

A run is planned from its options and seed (`plan`), carried out against a service (`run`, over
the connections of `exchange`, for the players of `players`), and counted (`recorder`,
`histogram`). Whoever shows it polls frozen `reports`; the engine itself prints nothing.
"""
