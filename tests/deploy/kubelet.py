"""What kubelet and a container runtime do with a pod, as far as postern can tell.

Mounts as kubelet's AtomicWriter lays them out and swaps them; a root that is read-only and has the
mounts at the paths of the manifest; a user without a name and without capabilities. Needs root and
namespaces of its own for mounts and network: `unshare --mount --net`.
"""

import os
import pathlib
import shutil
import signal
import subprocess

# Of the machine, what a program that is not static needs to start.
LIBRARIES = ("bin", "lib", "lib64", "usr")


class Volume:
    """A ConfigMap or Secret on disk: files are links through `..data`, which is swapped as one."""

    def __init__(self, folder, mode, group):
        self.folder = pathlib.Path(folder)
        self.mode = mode
        self.group = group
        self.times = 0
        self.folder.mkdir(parents=True)

    def write(self, files):
        """Puts other files in place of those that are there, in the order of kubelet."""
        self.times += 1
        fresh = self.folder / f"..2026_11_24_12_00_{self.times:02}.{self.times:09}"
        fresh.mkdir(mode=0o755)
        for file, content in files.items():
            path = fresh / file
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(self.mode)
            os.chown(path, 0, self.group)
        data, link = self.folder / "..data", self.folder / "..data_tmp"
        old = data.resolve() if data.is_symlink() else None
        link.symlink_to(fresh.name)
        link.rename(data)
        for file in files:
            if not (self.folder / file).is_symlink():
                (self.folder / file).symlink_to(f"..data/{file}")
        for path in self.folder.iterdir():
            if path.is_symlink() and not path.name.startswith("..") and path.name not in files:
                path.unlink()
        if old:
            shutil.rmtree(old)


class Pod:
    """The containers of ours in one pod of a rendered overlay."""

    def __init__(self, overlay, binary, folder, secrets):
        self.overlay = overlay
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "root"
        self.volumes = {}
        group = overlay.pod["securityContext"]["fsGroup"]
        for volume in overlay.pod["volumes"]:
            if "configMap" in volume:
                source = volume["configMap"]
                files = overlay.one("ConfigMap", source["name"])["data"]
            else:
                source = volume["secret"]
                files = secrets[source["secretName"]]
            place = self.folder / "volumes" / volume["name"]
            made = Volume(place, source.get("defaultMode", 0o644), group)
            made.write(files)
            self.volumes[volume["name"]] = made
        self.build(binary)

    def build(self, binary):
        """The container's root: nothing of it can be written."""
        self.root.mkdir()
        mount("-t", "tmpfs", "tmpfs", self.root)
        for called in LIBRARIES:
            there = pathlib.Path("/", called)
            if there.is_symlink():
                (self.root / called).symlink_to(os.readlink(there))
            elif there.is_dir():
                self.bind(there, f"/{called}")
        for path in ("proc", "etc/ssl/certs"):
            (self.root / path).mkdir(parents=True)
        mount("-t", "proc", "proc", self.root / "proc")
        shutil.copy(binary, self.root / "postern")
        for file, text in self.files().items():
            (self.root / file).write_text(text)
        places = {
            m["mountPath"]: m["name"] for m in self.overlay.container("postern")["volumeMounts"]
        }
        for path, volume in sorted(places.items()):
            outer, _, inner = path.rpartition("/")
            if outer in places:
                # Kubelet makes the folder of a mount within a mount in the outer volume.
                (self.volumes[places[outer]].folder / inner).mkdir()
            self.bind(self.volumes[volume].folder, path)
        mount("-o", "remount,ro", self.root)

    def files(self):
        """What an image has beside the program."""
        authorities = self.folder / "authorities.pem"
        return {
            "etc/hosts": "127.0.0.1 localhost directory.internal\n",
            "etc/nsswitch.conf": "hosts: files\n",
            "etc/ssl/certs/ca-certificates.crt": authorities.read_text(),
        }

    def bind(self, source, path):
        """Mounts a folder at a path of the container, to be read only."""
        place = self.root / path.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        mount("--bind", source, place)
        mount("-o", "remount,bind,ro", place)

    def start(self, called, words, arguments=None):
        """Starts a container: our program with the manifest's arguments, as the manifest's user.

        With other arguments it is what `kubectl exec` does.
        """
        container = self.overlay.container(called)
        context = container["securityContext"]
        group = self.overlay.pod["securityContext"]["fsGroup"]
        lock = [
            "/usr/bin/env",
            f"--chdir={container.get('workingDir', '/')}",
            "/usr/bin/setpriv",
            f"--reuid={context['runAsUser']}",
            f"--regid={context['runAsGroup']}",
            f"--groups={group}",
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--no-new-privs",
        ]
        command = [shutil.which("chroot"), self.root, *lock, "/postern"]
        command += container["args"] if arguments is None else arguments
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            env={},
        )


def stop(child, patience):
    """SIGTERM, as kubelet sends it; its exit code, or None where only SIGKILL helped."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        return child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None


def mount(*arguments):
    """mount(8)."""
    subprocess.run(["mount", *map(str, arguments)], check=True)
