"""One module of actors a noun; cron beside the function."""
