"""Where studies are scored: on a local dask cluster, or on an existing one."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotaliver.errors import ClusterError
from dotaliver.system.processors import processors

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Worker

__all__ = ["ClusterChoice", "connected", "dask_setup"]

# Memory reserved for the system, the scheduler and this process
_SHARE_OF_MEMORY = 0.9
_CONNECT_S = 30


@dataclass(frozen=True)
class ClusterChoice:
    """A number of local workers, or the scheduler address of an existing cluster."""

    workers: int | None = None
    scheduler: str | None = None

    @property
    def count(self) -> int:
        """Number of local workers."""
        return self.workers or processors()

    def memory_share(self) -> int | None:
        """Memory for one study in bytes; None on an existing cluster, whose workers have limits of their own."""
        if self.scheduler is not None:
            return None
        from distributed.system import MEMORY_LIMIT

        return int(_SHARE_OF_MEMORY * MEMORY_LIMIT / self.count)


def dask_setup(_worker: Worker) -> None:
    """Make local workers ignore Ctrl-C, which reaches them too: the run stops them in order."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def connected(choice: ClusterChoice) -> Iterator[Client]:
    """A client of the cluster; a local cluster is closed afterwards, an existing one is left running.

    Raises
    ------
    ClusterError
        Where no scheduler answers at the address.
    """
    from distributed import Client

    if choice.scheduler is not None:
        with _client_of(choice.scheduler) as client:
            yield client
        return
    with _own_cluster(choice) as cluster, Client(cluster) as client:
        yield client


@contextlib.contextmanager
def _own_cluster(choice: ClusterChoice) -> Iterator[LocalCluster]:
    import dask
    from distributed import LocalCluster

    # No dashboard is served to other users of the machine, and no port is fixed. Nothing is sampled for one either: a
    # process that waits for a score would look at its own threads a hundred times a second.
    unwatched: dict[str, object] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
    }
    with dask.config.set(unwatched):
        with _deaf_to_interrupts():
            cluster = LocalCluster(
                n_workers=choice.count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # Certificates for this run only: others can neither read the traffic nor submit work as this user.
                security=True,
                dashboard_address="127.0.0.1:0",
                # The limit applies to the scoring process
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                preload=[__name__],
            )
        with cluster:
            yield cluster


@contextlib.contextmanager
def _client_of(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        kind = type(error).__name__
        msg = f"--scheduler {address}: no dask scheduler answers at this address ({kind}); check that it is running"
        raise ClusterError(msg) from error
    with client:
        yield client


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C while processes start, since they inherit this until they set it themselves."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
