"""A certificate authority of the cluster's own, made with openssl."""

import pathlib
import ssl
import subprocess

SERVER = "subjectAltName=DNS:localhost,DNS:kubernetes,IP:127.0.0.1\n"
DAYS = "30"


def openssl(*arguments):
    """Run it; its words only when it fails."""
    subprocess.run(["openssl", *map(str, arguments)], check=True,
                   capture_output=True, timeout=60)


class Authority:
    """Keys and certificates in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.crt"
        self.key = self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS,
                "-subj", "/CN=kubernetes", "-keyout", self.key, "-out",
                self.certificate)

    def issue(self, name, organisation="", extensions=""):
        """A certificate: (its path, its key's path)."""
        safe = "".join(one if one.isalnum() else "-" for one in name)
        paths = [self.folder / f"{safe}.{end}"
                 for end in ("crt", "key", "csr", "ext")]
        certificate, key, request, extra = paths
        subject = (f"/O={organisation}" if organisation else "") \
            + f"/CN={name}"
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
                "-keyout", key, "-out", request)
        extra.write_text(extensions or "extendedKeyUsage=clientAuth\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate,
                "-CAkey", self.key, "-CAcreateserial", "-days", DAYS,
                "-extfile", extra, "-out", certificate)
        key.chmod(0o600)
        return certificate, key

    def server_context(self):
        """What the API server listens with."""
        certificate, key = self.issue("kube-apiserver", extensions=SERVER)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context
