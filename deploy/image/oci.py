"""An image in an OCI archive: what it says of itself, its files, and a run of it by crun."""

import json
import os
import pathlib
import signal
import subprocess
import tarfile
import time

PATIENCE = 60.0


class Image:
    """Unpacks an archive as `buildah push IMAGE oci-archive:FILE` writes it."""

    def __init__(self, archive, root):
        self.root = pathlib.Path(root)
        self.files = {}
        with tarfile.open(archive) as tar:

            def blob(digest):
                return tar.extractfile("blobs/" + digest.replace(":", "/"))

            index = json.load(tar.extractfile("index.json"))
            manifest = json.load(blob(index["manifests"][0]["digest"]))
            self.config = json.load(blob(manifest["config"]["digest"]))["config"]
            self.packed = sum(layer["size"] for layer in manifest["layers"])
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=blob(layer["digest"])) as files:
                    self.files |= {member.name: member for member in files if not member.isdir()}
                    files.extractall(self.root)

    def size(self, name):
        """The size of one file of it, in bytes."""
        return self.files[name].size if name in self.files else 0


class Container:
    """The image's program as a pod would run it: root read-only, no privileges, none to be had.

    `mounts` are files and folders put into it, read-only, by their place inside. The network is
    the caller's.
    """

    def __init__(self, image, folder, mounts, arguments=None):
        self.bundle = pathlib.Path(folder) / "bundle"
        self.bundle.mkdir(exist_ok=True)
        self.pid_file = self.bundle / "pid"
        self.pid_file.unlink(missing_ok=True)
        (self.bundle / "config.json").write_text(json.dumps(spec(image, mounts, arguments)))
        self.words = pathlib.Path(folder) / "words"
        self.child = subprocess.Popen(
            ["crun", "--root", self.bundle / "state", "--cgroup-manager=disabled"]
            + ["run", "--bundle", self.bundle, "--pid-file", self.pid_file]
            + [f"postern-image-{os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=self.words.open("wb"),
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self):
        """The program's own process id, seen from outside."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.child.poll() is None:
            text = self.pid_file.read_text() if self.pid_file.exists() else ""
            if text:
                return int(text)
            time.sleep(0.05)
        raise RuntimeError(f"it did not start:\n{self.said()}")

    def status(self):
        """What the kernel says of the process: user, capabilities, and so on."""
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def root_is_read_only(self):
        """Whether nothing can be written to what the program sees as /."""
        mounts = pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        options = [line.split()[5] for line in mounts if line.split()[4] == "/"]
        return bool(options) and "ro" in options[-1].split(",")

    def memory(self):
        """The memory that is its own share (PSS), in KiB."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    def said(self):
        """All that it printed."""
        return self.words.read_text(errors="replace")

    def stop(self):
        """SIGTERM, as a kubelet sends it; returns the exit code."""
        if self.child.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self):
        """Waits until it ends by itself; returns the exit code."""
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            raise RuntimeError(f"it did not end:\n{self.said()}") from None


def spec(image, mounts, arguments):
    """The runtime's words for it: user, program and environment are the image's own."""
    user, group = (int(part) for part in image.config["User"].split(":"))
    command = image.config["Entrypoint"] + (arguments or image.config["Cmd"])
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(image.root), "readonly": True},
        "process": {
            "args": command,
            "cwd": image.config.get("WorkingDir") or "/",
            "env": image.config.get("Env") or [],
            "user": {"uid": user, "gid": group},
            "noNewPrivileges": True,
            "capabilities": {
                kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")
            },
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "noexec", "mode=755", "size=64k"],
            },
        ]
        + [
            {
                "destination": inside,
                "type": "bind",
                "source": str(outside),
                "options": ["rbind", "ro", "nosuid", "nodev", "noexec"],
            }
            for inside, outside in mounts.items()
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger"],
            "readonlyPaths": ["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs"],
        },
    }
