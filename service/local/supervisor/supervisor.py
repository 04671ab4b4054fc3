"""Keeps child processes running: starts, watches, restarts (with a back-off) and stops them."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from service.local.embedded.errors import StartFailed
from service.local.embedded.processes import Part, end_group
from service.local.supervisor.terminal import describe_end, describe_path, print_line

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0
_STEADY_SECONDS: Final = 10.0
"""After running this long a child is restarted with the shortest pause again."""
_MOST_FAILED_STARTS: Final = 5
_READY_POLL_SECONDS: Final = 0.02
_SLOW_START_SECONDS: Final = 10.0
_SAME_SIGNAL_SECONDS: Final = 0.3
_HURRIED_SECONDS: Final = 1.0
"""How long a child may take to stop by itself in a hurry; most need far less."""


class Supervisor:
    """Keeps parts running until the person or the system asks to stop."""

    def __init__(self) -> None:
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._child_ended = asyncio.Event()
        self._stop_requested = asyncio.Event()
        self._stop_requested_at = 0.0
        self._hurry_requested = asyncio.Event()
        self._rolling: Sequence[Part] = ()
        self._roll: asyncio.Task[None] | None = None

    async def run(self, bring_up: Callable[[], Awaitable[None]]) -> None:
        """Bring everything up and return when a stop is requested; raises what `bring_up` raises.

        SIGINT, SIGTERM and SIGHUP request a stop, and a second one a hurried stop; SIGUSR1 requests
        a rolling restart.
        """
        work = asyncio.ensure_future(bring_up())
        stop = asyncio.ensure_future(self._stop_requested.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not self._stop_requested.is_set():
            # Raises if it failed.
            await work
            await stop
        for task in (work, stop):
            task.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)

    @contextlib.contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Handle the signals that request something, and the one for the end of a child."""
        loop = asyncio.get_running_loop()
        stop_signals = [signal.SIGINT, signal.SIGTERM]
        # Under nohup, SIGHUP stays ignored.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            stop_signals.append(signal.SIGHUP)
        for number in stop_signals:
            loop.add_signal_handler(number, self._request_stop)
        loop.add_signal_handler(signal.SIGCHLD, self._child_ended.set)
        loop.add_signal_handler(signal.SIGUSR1, self._request_roll)
        try:
            yield
        finally:
            for number in (*stop_signals, signal.SIGCHLD, signal.SIGUSR1):
                loop.remove_signal_handler(number)

    async def start(self, parts: Sequence[Part], announce: Callable[[Part], None]) -> None:
        """Start parts side by side; announce each as it serves and return when all do.

        Raises `StartFailed` for one that ends five times before it ever served.
        """
        first_starts = []
        for part in parts:
            ready = asyncio.get_running_loop().create_future()
            self._keepers[part.name] = asyncio.create_task(self._keep_running(part, ready))
            first_starts.append(self._announce(part, ready, announce))
        await asyncio.gather(*first_starts)

    def roll_on_request(self, parts: Sequence[Part]) -> None:
        """From now on SIGUSR1 restarts these parts, which serve, one after the other."""
        self._rolling = parts

    async def stop(self, parts: Sequence[Part]) -> None:
        """Stop parts side by side and wait for their end."""
        await self._stop_rolling()
        await asyncio.gather(*(self._stop_part(part) for part in parts))

    async def wait_for_end(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until a child ends and return its return code."""
        while (status := process.poll()) is None:
            self._child_ended.clear()
            await self._child_ended.wait()
        return status

    def _request_stop(self) -> None:
        now = time.monotonic()
        if not self._stop_requested.is_set():
            self._stop_requested.set()
            self._stop_requested_at = now
        # A launcher that passes signals on makes one Ctrl-C arrive twice.
        elif now - self._stop_requested_at > _SAME_SIGNAL_SECONDS:
            self._hurry_requested.set()

    def _request_roll(self) -> None:
        if not self._rolling:
            print_line("Not everything serves yet: nothing is restarted")
        elif self._roll is None or self._roll.done():
            self._roll = asyncio.create_task(self._restart_in_turn(self._rolling))
        else:
            print_line("A rolling restart is under way")

    async def _restart_in_turn(self, parts: Sequence[Part]) -> None:
        """Restart each part once the one before serves again, so that the others answer."""
        started = time.monotonic()
        for number, part in enumerate(parts, start=1):
            print_line(f"Restarting {part.name} ({number} of {len(parts)})")
            await self._stop_part(part)
            try:
                await self.start([part], _announce_return)
            except StartFailed as error:
                # Those that still serve are left alone; this one is restarted until it serves.
                print_line(f"The rolling restart ends here: {error}")
                served = asyncio.get_running_loop().create_future()
                served.set_result(None)
                self._keepers[part.name] = asyncio.create_task(self._keep_running(part, served))
                return
        print_line(f"Rolling restart done in {time.monotonic() - started:.1f} s")

    async def _stop_rolling(self) -> None:
        self._rolling = ()
        if self._roll is not None:
            self._roll.cancel()
            await asyncio.gather(self._roll, return_exceptions=True)

    async def _announce(
        self, part: Part, ready: "asyncio.Future[None]", announce: Callable[[Part], None]
    ) -> None:
        await ready
        part.complete()
        announce(part)

    async def _keep_running(self, part: Part, first_ready: "asyncio.Future[None]") -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        failed_starts = 0
        while True:
            started = time.monotonic()
            how_it_ended = await self._run_once(part, first_ready)
            if how_it_ended is None:
                continue
            if not first_ready.done():
                failed_starts += 1
                if failed_starts == _MOST_FAILED_STARTS:
                    first_ready.set_exception(StartFailed(part.explain_failure()))
                    return
            if time.monotonic() - started >= _STEADY_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            # A first start that keeps failing gets one line here and one when it is given up.
            if first_ready.done() or failed_starts == 1:
                print_line(
                    f"{part.name} {how_it_ended}: starting it again in "
                    f"{pause_seconds:.1f} s{_name_log(part)}"
                )
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _run_once(self, part: Part, first_ready: "asyncio.Future[None]") -> str | None:
        """Run a part to its end and return how it ended; None if it can start again at once."""
        started = time.monotonic()
        try:
            process = part.launch()
        except (StartFailed, OSError) as error:
            return f"could not be started ({error})"
        if await self._wait_until_ready(part, process):
            if first_ready.done():
                print_line(f"{part.name} is back after {time.monotonic() - started:.1f} s")
            else:
                first_ready.set_result(None)
            return f"ended ({describe_end(await self.wait_for_end(process))})"
        if part.recover():
            return None
        return f"ended ({describe_end(await self.wait_for_end(process))}) before it was ready"

    async def _wait_until_ready(self, part: Part, process: subprocess.Popen[bytes]) -> bool:
        slow_at = time.monotonic() + _SLOW_START_SECONDS
        while not part.is_ready():
            if process.poll() is not None:
                return False
            if time.monotonic() > slow_at:
                slow_at = float("inf")
                print_line(f"{part.name} is still starting{_name_log(part)}")
            await asyncio.sleep(_READY_POLL_SECONDS)
        return True

    async def _stop_part(self, part: Part) -> None:
        keeper = self._keepers.pop(part.name, None)
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        process = part.process
        if process is None:
            return
        for step, (stop_signal, patience_seconds) in enumerate(part.find_stop_plan()):
            if process.poll() is not None:
                break
            if step > 0:
                print_line(f"{part.name} has not stopped yet: sending it {stop_signal.name}")
            process.send_signal(stop_signal)
            await self._wait_for_stop(process, patience_seconds)
        end_group(process.pid)

    async def _wait_for_stop(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Wait for the end of a child, for some seconds or, once a hurry is requested, for less."""
        end = asyncio.ensure_future(self.wait_for_end(process))
        hurry = asyncio.ensure_future(self._hurry_requested.wait())
        await asyncio.wait({end, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if hurry.done():
            await asyncio.wait({end}, timeout=min(seconds, _HURRIED_SECONDS))
        for wait in (end, hurry):
            wait.cancel()
        await asyncio.gather(end, hurry, return_exceptions=True)


def _announce_return(part: Part) -> None:
    print_line(f"{part.name} serves again")


def _name_log(part: Part) -> str:
    return "" if part.log is None else f"; log: {describe_path(part.log.path)}"
