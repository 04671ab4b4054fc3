"""A streaming standby of a test's PostgreSQL, out of the same wheel."""

import os
import subprocess
from pathlib import Path

from service.local.embedded import PostgresServer


class Standby(PostgresServer):
    """Follows a primary that runs, from a copy of it that it makes for itself."""

    def __init__(self, directory: Path, primary: PostgresServer) -> None:
        super().__init__(directory)
        self._primary = primary

    def complete(self) -> None:
        """Nothing can be made on a standby."""

    def _create_cluster(self, fresh: Path) -> None:
        account = self._account
        if account:
            os.chown(fresh, account.uid, account.gid)
        subprocess.run(
            [
                *(self._binaries / "pg_basebackup", "-D", fresh, "-R", "--no-sync"),
                *("--checkpoint=fast", "-h", self._primary.directory.sockets, "-U", "postgres"),
            ],
            check=True,
            cwd=fresh,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
