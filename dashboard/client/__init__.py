"""The service over HTTP: what is asked, what is answered, and whether it can be reached."""
