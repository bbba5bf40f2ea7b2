"""Authorities with a certificate each, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trustme


class Party:
    """An authority, and a certificate from it, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        authority = trustme.CA(organization_name=name)
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.authority, self.certificate, self.key = (
            str(folder / f"{name}.{kind}.pem") for kind in ("authority", "certificate", "key")
        )
        authority.cert_pem.write_to_path(self.authority)
        issued.private_key_pem.write_to_path(self.key)
        Path(self.certificate).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))


def settings(parties: dict[str, Party], **more: Any) -> dict[str, Any]:
    return {"tls_certificate": parties["server"].certificate, "tls_key": parties["server"].key} | more
