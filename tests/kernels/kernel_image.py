"""A kernel of Debian with an initial file system that mounts the drives and goes on there.

Comes in: a suite. Goes out: ``vmlinuz`` and an initramfs, in the cache until the suite has a newer kernel. Modules are inserted
in the order that their dependencies want: those of the drives first, then those of the networks that are tried.
"""

import hashlib
import lzma
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.codecs.zstd import zstd
from tests.debian_packages import CACHE, Suite, alone, run, unpack

KERNEL = r"linux-(image|binary|modules)-\d\S*-cloud-(amd|arm)64"
"""Some suites split what others have in one package."""

MODULES = (
    "virtio_pci",
    "virtio_blk",
    "ext4",
    "veth",
    "8021q",
    "tun",
    "ip_gre",
    "bridge",
    "tls",
    "aesni_intel",
    "gcm",
    "ctr",
    "ghash_generic",
    "sch_ingress",
    "cls_bpf",
)

INIT = """#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
for module in $($busybox cat /modules/order); do $busybox insmod /modules/$module; done
$busybox mount -t ext4 /dev/vda /root || { echo "the kernel finds no drive"; $busybox poweroff -f; }
$busybox tar -xf /dev/vdb -C /root/srv/httpipe
$busybox mount --move /dev /root/dev
exec $busybox switch_root /root /bin/sh /srv/httpipe/start.sh
"""


@dataclass(frozen=True)
class KernelImage:
    """What QEMU boots. ``release`` is what ``uname -r`` says there."""

    release: str
    kernel: Path
    initramfs: Path


def kernel_image(suite: str, architecture: str) -> KernelImage:
    """The newest kernel of a suite."""
    with alone():
        packages = Suite(suite, architecture).newest(f"linux-image-cloud-{architecture}", KERNEL)
        busybox = Suite("bookworm", architecture).newest("busybox-static", "busybox-static")
        key = "".join((*sorted(package.name for package in packages), Path(__file__).read_text(encoding="utf-8")))
        folder = CACHE / f"kernel-{suite}-{architecture}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as name:
                made = _make(packages + busybox, Path(name))
                for older in CACHE.glob(f"kernel-{suite}-{architecture}-*"):
                    shutil.rmtree(older)
                made.rename(folder)
    [kernel] = folder.glob("vmlinuz-*")
    return KernelImage(kernel.name.removeprefix("vmlinuz-"), kernel, folder / "initramfs")


def _make(packages: list[Path], folder: Path) -> Path:
    """The folder with both files."""
    unpacked, made = folder / "unpacked", folder / "made"
    made.mkdir()
    (unpacked / "usr/lib").mkdir(parents=True)
    (unpacked / "lib").symlink_to("usr/lib")
    unpack(packages, unpacked)
    [modules] = (unpacked / "usr/lib/modules").iterdir()
    kernel = next(path for path in unpacked.rglob("vmlinuz*") if path.is_file())
    shutil.copy(kernel, made / f"vmlinuz-{modules.name}")
    _pack_initramfs(unpacked, modules.name, folder / "inside", made / "initramfs")
    return made


def _pack_initramfs(unpacked: Path, release: str, inside: Path, archive: Path) -> None:
    for name in ("bin", "dev", "root", "modules"):
        (inside / name).mkdir(parents=True)
    shutil.copy(next(unpacked.rglob("bin/busybox")), inside / "bin")
    (inside / "init").write_text(INIT)
    (inside / "init").chmod(0o755)
    order = []
    for path in _in_order(unpacked, release):
        name = path.name.partition(".")[0] + ".ko"
        (inside / "modules" / name).write_bytes(_plain(path))
        order.append(name)
    (inside / "modules" / "order").write_text("\n".join(order))
    names = "\n".join(str(path.relative_to(inside)) for path in sorted(inside.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), stdout=file, cwd=inside, check=True)


def _in_order(unpacked: Path, release: str) -> list[Path]:
    """Files of the modules and of what they depend on, each once and after what it depends on."""
    run(["depmod", "-b", str(unpacked), release])
    folder = unpacked / "usr/lib/modules" / release
    needs: dict[str, list[str]] = {}
    files: dict[str, Path] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        files[_name(path)] = folder / path
        needs[_name(path)] = [_name(other) for other in rest.split()]
    order: dict[str, None] = {}
    for module in MODULES:
        # modules.dep lists what a module needs, the nearest first; what is built in is not listed
        for name in [*reversed(needs.get(module, [])), module]:
            if name in files:
                order.setdefault(name)
    return [files[name] for name in order]


def _name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".zst":
            return zstd.ZstdDecompressor().decompress(data)
        case _:
            return data
