//! Holds the simulated file system against the shipped one on a real disk: the same operations, the
//! same answers.

use std::fmt::Debug;
use std::io;

use git_conductor::store::dir::{Dir, Entry, Kind, NewFile};
use git_conductor::store::disk::DiskDir;
use rustix::io::Errno;

use crate::rng::Rng;
use crate::world::Quiet;

/// An answer as text, to compare.
fn answer<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            // Both are allowed for a directory that is not empty.
            Some(Errno::EXIST | Errno::NOTEMPTY) => "taken".to_owned(),
            Some(errno) => format!("{errno:?}"),
            None => format!("{error}"),
        },
    }
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The tree below, through the same trait.
fn dump<D: Dir>(dir: &D, above: &str, lines: &mut Vec<String>) {
    for Entry { name, kind } in sorted(dir.list(1_000).unwrap()) {
        let path = format!("{above}{name}");
        match kind {
            Kind::Dir => {
                lines.push(format!("{path}/"));
                dump(&dir.open_dir(&name).unwrap(), &format!("{path}/"), lines);
            }
            Kind::File => lines.push(format!("{path} {:?}", dir.read(&name, 1 << 20).unwrap())),
            Kind::Link | Kind::Other => lines.push(format!("{path} {kind:?}")),
        }
    }
}

/// The cases that the protocol hangs on, one answer a line.
fn table<D: Dir>(root: &D) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |what: &str, text: String| lines.push(format!("{what}: {text}"));
    root.make_dir("d").unwrap();
    say("mkdir twice", answer(root.make_dir("d")));
    let d = root.open_dir("d").unwrap();
    let mut file = d.create("f", false).unwrap();
    file.write(b"one ").unwrap();
    file.write(b"two").unwrap();
    file.sync().unwrap();
    say("read", answer(d.read("f", 7)));
    say("read too large", answer(d.read("f", 6)));
    say("create over a file", answer(d.create("f", false).map(drop)));
    say("open a file as a directory", answer(d.open_dir("f").map(drop)));
    say("read a directory", answer(root.read("d", 9)));
    say("read nothing", answer(root.read("none", 9)));
    root.symlink("d/f", "link").unwrap();
    root.symlink("d", "dirlink").unwrap();
    root.symlink("nowhere", "dangling").unwrap();
    say("read a link", answer(root.read("link", 9)));
    say("stat a link", answer(root.stat("link").map(|stat| (stat.kind, stat.size))));
    say("stat a file", answer(d.stat("f").map(|stat| (stat.kind, stat.size))));
    say("stat a directory", answer(root.stat("d").map(|stat| stat.kind)));
    say("open a link as a directory", answer(root.open_dir("dirlink").map(drop)));
    say("symlink over a link", answer(root.symlink("x", "link")));
    say("create over a dangling link", answer(root.create("dangling", true).map(drop)));
    say("mkdir over a dangling link", answer(root.make_dir("dangling")));
    say("rmdir a link", answer(root.remove_dir("dirlink")));
    say("link over a link", answer(d.link("f", root, "dangling")));
    say("link", answer(d.link("f", root, "second")));
    say("link over a file", answer(d.link("f", root, "second")));
    say("link a directory", answer(root.link("d", root, "d2")));
    say("link nothing", answer(root.link("none", root, "d2")));
    say("link a link", answer(root.link("dangling", root, "dangling2")));
    say("rename onto the same file", answer(d.rename("f", root, "second")));
    say("both names are left", answer(d.list(9).and(root.read("second", 9))));
    say("rename over another file", answer(root.rename("link", root, "second")));
    say("it is replaced", answer(root.stat("second").map(|stat| stat.kind)));
    root.make_dir("empty").unwrap();
    root.make_dir("full").unwrap();
    let full = root.open_dir("full").unwrap();
    drop(full.create("x", true).unwrap());
    say("directory onto a full one", answer(root.rename("d", root, "full")));
    say("directory onto a file", answer(root.rename("d", root, "second")));
    say("directory onto a dangling link", answer(root.rename("d", root, "dangling")));
    say("file onto a directory", answer(root.rename("second", root, "empty")));
    say("link onto a directory", answer(root.rename("dangling", root, "empty")));
    say("directory into itself", answer(root.rename("d", &d, "inner")));
    say("directory onto itself", answer(root.rename("d", root, "d")));
    say("directory onto its parent", answer(full.rename("x", root, "full")));
    say("rmdir a full one", answer(root.remove_dir("full")));
    say("rmdir a file", answer(full.remove_dir("x")));
    say("rmdir nothing", answer(root.remove_dir("none")));
    say("unlink a directory", answer(root.remove_file("empty")));
    say("unlink nothing", answer(root.remove_file("none")));
    say("rename nothing", answer(root.rename("none", root, "empty")));
    say("directory onto an empty one", answer(root.rename("d", root, "empty")));
    say("the handle moves along", answer(d.list(9).map(sorted)));
    say("its name is gone", answer(root.open_dir("d").map(drop)));
    say("list too long", answer(root.list(3)));
    removed(root, &d, &mut say);
    say("sync", answer(root.sync()));
    dump(root, "", &mut lines);
    lines
}

/// What a handle of a removed directory can still do.
fn removed<D: Dir>(root: &D, d: &D, say: &mut impl FnMut(&str, String)) {
    root.make_dir("gone").unwrap();
    let gone = root.open_dir("gone").unwrap();
    root.remove_dir("gone").unwrap();
    say("create in a removed one", answer(gone.create("f", false).map(drop)));
    say("mkdir in a removed one", answer(gone.make_dir("d")));
    say("symlink in a removed one", answer(gone.symlink("x", "d")));
    say("link into a removed one", answer(d.link("f", &gone, "f")));
    say("rename into a removed one", answer(d.rename("f", &gone, "f")));
    say("rename a directory into a removed one", answer(root.rename("full", &gone, "f")));
    say("rename out of a removed one", answer(gone.rename("f", root, "f")));
    say("list a removed one", answer(gone.list(9)));
    say("read in a removed one", answer(gone.read("f", 9)));
    say("stat in a removed one", answer(gone.stat("f")));
    say("unlink in a removed one", answer(gone.remove_file("f")));
    root.make_dir("gone").unwrap();
    say("a new one of that name", answer(gone.create("f", false).map(drop)));
    // A replaced directory is removed as well.
    let replaced = root.open_dir("gone").unwrap();
    root.make_dir("other").unwrap();
    root.rename("other", root, "gone").unwrap();
    say("create in a replaced one", answer(replaced.create("f", false).map(drop)));
    // A file that has been unlinked can be written all the same.
    let mut file = root.create("unlinked", false).unwrap();
    root.remove_file("unlinked").unwrap();
    say("write to an unlinked file", answer(file.write(b"x")));
}

/// Random operations on few names in few directories, some of which are removed meanwhile.
fn fuzz<D: Dir>(root: D, seed: u64) -> Vec<String> {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let mut rng = Rng::new(seed);
    let mut dirs = vec![root];
    let mut files = Vec::new();
    let mut lines = Vec::new();
    for step in 0..60 {
        let at = rng.index(dirs.len());
        let (name, other) = (NAMES[rng.index(4)], NAMES[rng.index(4)]);
        let to = rng.index(dirs.len());
        let (dir, target) = (&dirs[at], &dirs[to]);
        let line = match rng.below(16) {
            0..3 => answer(dir.make_dir(name)),
            3 | 4 => {
                let file = dir.create(name, false);
                let line = answer(file.as_ref().map(|_| ()).map_err(copy));
                files.extend(file);
                line
            }
            5 => answer(dir.symlink(other, name)),
            6..10 => answer(dir.rename(name, target, other)),
            10 => answer(dir.link(name, target, other)),
            11 => answer(dir.remove_file(name)),
            12 => answer(dir.remove_dir(name)),
            13 => answer(dir.read(name, 5)),
            14 if files.is_empty() => answer(dir.stat(name).map(|stat| stat.kind)),
            14 => {
                let at = rng.index(files.len());
                answer(files[at].write(format!("{step}.").as_bytes()))
            }
            _ => {
                let opened = dir.open_dir(name);
                let line = answer(opened.as_ref().map(|_| ()).map_err(copy));
                dirs.extend(opened);
                line
            }
        };
        lines.push(format!("{step} {at}/{name} {to}/{other}: {line}"));
    }
    dump(&dirs[0], "", &mut lines);
    lines
}

/// Errors are not `Clone`.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn real_root() -> (tempfile::TempDir, DiskDir) {
    let temp = tempfile::tempdir().unwrap();
    let root = DiskDir::open(temp.path()).unwrap();
    (temp, root)
}

#[test]
#[cfg(target_os = "linux")]
fn the_simulation_answers_as_the_kernel_does() {
    let (_temp, root) = real_root();
    let real = table(&root);
    let simulated = Quiet::new().run("table", |ctx| table(&ctx.root()));
    assert_eq!(simulated, real);
}

#[test]
#[cfg(target_os = "linux")]
fn the_simulation_answers_as_the_kernel_does_whatever_is_asked() {
    let mut replaced = 0;
    for seed in 0..200 {
        let (_temp, root) = real_root();
        let real = fuzz(root, seed);
        let simulated = Quiet::new().run("fuzz", |ctx| fuzz(ctx.root(), seed));
        assert_eq!(simulated, real, "seed {seed}");
        replaced +=
            real.iter().filter(|line| line.ends_with("ISDIR") || line.ends_with("taken")).count();
    }
    assert!(replaced > 500, "the operations hardly ever meet: {replaced}");
}
