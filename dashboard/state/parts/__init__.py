"""The parts of the service: judged, followed, and put into words."""
