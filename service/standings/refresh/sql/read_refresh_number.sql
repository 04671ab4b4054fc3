-- The number of the last refresh.
SELECT number FROM refresh_state
