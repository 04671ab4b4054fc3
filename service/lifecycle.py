"""What long-lived answers need to know about the end of the process."""

import asyncio


class Closing(asyncio.Event):
    """Set when the process is about to stop, so that event streams can end by themselves."""
