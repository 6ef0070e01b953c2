"""Many small files: one by one against bare fsyncs, in groups against other programs; and how long
a vault with as many takes to open and to lock."""
import os
import shutil
import subprocess
import time

from measure import Cost, best, cost_of
from stage import check, run

FILES, FILE_BYTES = 10_000, 4096
OPENINGS = 5


def small_files(bench):
    """Sections of the bench's table; what is missing or does not work is skipped by name."""
    count = max(500, FILES // bench.shrink)
    folder = bench.folder / "small"
    folder.mkdir()
    tool = bench.programs / "examples/bulk_speed"
    one_by_one(bench, tool, folder, count)
    source = folder / "source"
    source.mkdir()
    for number in range(count):
        (source / f"{number:05}.bin").write_bytes(os.urandom(FILE_BYTES))
    in_groups(bench, tool, folder, source, count)
    doors(bench, tool, folder / "vault", count)
    shutil.rmtree(folder)


def one_by_one(bench, tool, folder, count):
    bench.table.heading(
        f"{count} files of 4 KiB through the vault crate alone, each durable with its name and its "
        "entry before the next; against three bare fsyncs a file (bytes, name, list) on the same "
        "disk. Alternating halves.")
    sums = {"fsyncs": Cost(), "ordinary": Cost()}
    for half in range(2):
        for what in sums:
            target = folder / f"{what}-{half}"
            sums[what] += cost_of([tool, what, count // 2, target])
            shutil.rmtree(target)
    ours, bare = sums["ordinary"], sums["fsyncs"]
    bench.table.add("one by one, wall", f"{ours.wall:.2f} s, {count / ours.wall:,.0f} /s",
                    f"{bare.wall:.2f} s of fsyncs", ours.wall / bare.wall)
    bench.table.add("one by one, cpu", f"{ours.cpu:.2f} s", f"{bare.cpu:.2f} s",
                    ours.cpu / bare.cpu)


def in_groups(bench, tool, folder, source, count):
    vault = folder / "vault"
    rounds = []
    for _ in range(2):
        shutil.rmtree(vault, ignore_errors=True)
        rounds.append(cost_of([tool, "import", source, vault]))
    ours = best(rounds)
    skipped, figures = [], []
    for name, measure in (("restic", restic), ("rclone", rclone), ("gocryptfs", gocryptfs),
                          ("age", age)):
        if shutil.which(name) is None:
            skipped.append(f"{name} is not installed")
            continue
        place = folder / name
        place.mkdir()
        cost = measure(source, place)
        if isinstance(cost, str):
            skipped.append(f"{name}: {cost}")
        else:
            figures.append((name, cost))
        shutil.rmtree(place, ignore_errors=True)
    bench.table.heading(
        f"The same {count} files in groups, durable at the end of each group; against other "
        "programs, each followed by a sync of the file system, in the same run. rclone, gocryptfs "
        "and age promise nothing before that sync; age is started once a file, as it knows no "
        "folders." + ("" if not skipped else " Skipped: " + "; ".join(skipped) + "."))
    for name, theirs in figures:
        for kind in ("wall", "cpu"):
            own, other = getattr(ours, kind), getattr(theirs, kind)
            bench.table.add(f"bulk against {name}, {kind}", f"{own:.2f} s",
                            f"{other:.2f} s", own / other)


def durable(place):
    return ["sync", "--file-system", place]


def restic(source, place):
    os.environ["RESTIC_PASSWORD"] = "for the bench only"
    flags = ["--no-cache", "--quiet", "--repo", place / "repository"]
    run(["restic", *flags, "init"])
    return cost_of(["restic", *flags, "backup", source], durable(place))


def rclone(source, place):
    secret = run(["rclone", "obscure", "for the bench only"]).strip()
    os.environ.update(RCLONE_CONFIG=str(place / "none"), RCLONE_CONFIG_BENCH_TYPE="crypt",
                      RCLONE_CONFIG_BENCH_REMOTE=str(place / "sealed"),
                      RCLONE_CONFIG_BENCH_PASSWORD=secret)
    return cost_of(["rclone", "copy", "--quiet", source, "bench:"], durable(place))


def gocryptfs(source, place):
    sealed, mount, password = place / "sealed", place / "mount", place / "password"
    sealed.mkdir(), mount.mkdir()
    password.write_text("for the bench only\n")
    run(["gocryptfs", "-init", "-quiet", "-passfile", password, sealed])
    mounted = subprocess.run(["gocryptfs", "-quiet", "-passfile", password, sealed, mount],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if mounted.returncode != 0:
        return "its folder cannot be mounted here (no FUSE)"
    try:
        # What its own process uses is not seen by getrusage: only the wall is fair, so the
        # processor time of cp stands for the whole.
        return cost_of(["cp", "--recursive", source, mount / "copy"], durable(place))
    finally:
        subprocess.run(["fusermount", "-u", mount], check=False)


def age(source, place):
    identity = place / "identity"
    run(["age-keygen", "-o", identity])
    script = ('to=$(age-keygen -y "$2"); for file in "$1"/*; do '
              'age -r "$to" -o "$3/${file##*/}.age" "$file" || exit 1; done')
    sealed = place / "sealed"
    sealed.mkdir()
    return cost_of(["sh", "-c", script, "age", source, identity, sealed], durable(place))


def doors(bench, tool, vault, count):
    """How long opening takes, and how long a killed process takes to be gone."""
    bench.table.heading(
        f"Unlocking and locking a vault with {count} entries: key and index opened in the vault "
        "crate; kill -9 of the process that holds it, until it is gone and reaped.")
    opened = []
    for _ in range(OPENINGS):
        entries, seconds = run([tool, "open", vault]).split("\n")[:2]
        check(entries == f"{count} entries", f"the vault has {entries}")
        opened.append(float(seconds) * 1e3)
    locked = []
    for _ in range(OPENINGS):
        holder = subprocess.Popen([str(tool), "hold", str(vault)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        check(holder.stdout.readline() == b"open\n", "the vault did not open")
        began = time.monotonic()
        holder.kill()
        holder.wait()
        locked.append((time.monotonic() - began) * 1e3)
        holder.stdin.close(), holder.stdout.close()
    for what, times in (("unlock", opened), ("lock", locked)):
        bench.table.add(what, f"at most {max(times):.1f} ms", f"of {OPENINGS}",
                        sorted(times)[OPENINGS // 2], "ms")
