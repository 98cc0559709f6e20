//! What is put into a store: one line each, `VERB PATH …`.
//!
//! | plant | what it makes |
//! |---|---|
//! | `link P -> T` | a link to T, which is text; `outside/…` is made absolute |
//! | `fifo P`, `socket P`, `device P` | such a thing |
//! | `dir P`, `dirs P N` | a directory; N directories, each in the one before |
//! | `file P = TEXT` | a file; `\n`, `\xff` and `\u{202e}` are read |
//! | `repeat P N TEXT` | a file of N times TEXT |
//! | `sparse P N` | a file of N bytes that takes no room |
//! | `many P N NAME` | N empty files NAME0, NAME1, … in P |
//! | `hard P -> Q` | P as a second name of Q |
//! | `move P -> Q`, `copy P -> Q`, `gone P` | what they say |
//! | `set P /pointer JSON` | a field of a record |
//! | `stretch P /pointer N` | a field of a record, N letters long |
//! | `swap P OLD => NEW` | other text in a file |
//! | `mode P OCTAL`, `owner P UID`, `age P SECONDS` | what they say; an age can be negative |
//!
//! P begins with `store`, `sprint`, `ended` (an archived sprint), `repo`, `home` or `outside`. What
//! is there already makes way; parents are made. `{held}` and `{stale}` are the tokens of those
//! claims, `{sprint}` and `{ended}` ids, `{holder}`, `{other}` and `{uid}` numbers, `{sha}` is that
//! of the artifact.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use serde_json::Value;

use super::scenery::Scenery;

/// One copy of the store, to be planted in.
pub(super) struct Ground<'a> {
    pub(super) scenery: &'a Scenery,
    pub(super) root: &'a Path,
}

/// `\n`, `\xff` and `\u{202e}` in a text.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let number = |digits: &str| u32::from_str_radix(digits, 16).unwrap();
        match after.as_bytes()[0] {
            b'n' => {
                out.push(b'\n');
                rest = &after[1..];
            }
            b'x' => {
                out.push(u8::try_from(number(&after[1..3])).unwrap());
                rest = &after[3..];
            }
            b'u' if after.starts_with("u{") => {
                let (digits, end) = after[2..].split_once('}').unwrap();
                let c = char::from_u32(number(digits)).unwrap();
                out.extend_from_slice(c.to_string().as_bytes());
                rest = end;
            }
            // JSON's own.
            _ => {
                out.push(b'\\');
                out.push(after.as_bytes()[0]);
                rest = &after[1..];
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// `path`, with nothing there and all parents.
fn cleared(path: PathBuf) -> PathBuf {
    remove(&path);
    let parent = path.parent().unwrap();
    if parent.is_file() {
        remove(parent);
    }
    fs::create_dir_all(parent).unwrap();
    path
}

fn node(path: &Path, kind: FileType, device: u64) {
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device).unwrap();
}

impl Ground<'_> {
    /// The path that a plant names.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        let text = unescape(&self.scenery.named(text));
        let relative = PathBuf::from(OsString::from_vec(text));
        let mut parts = relative.components();
        let first = parts.next().unwrap().as_os_str().to_str().unwrap();
        let store = self.root.join("repo/.nanostack");
        let base = match first {
            "store" => store,
            "sprint" => store.join(self.scenery.named("conductor/{sprint}")),
            "ended" => store.join(self.scenery.named("conductor/archive/{ended}")),
            "repo" | "home" | "outside" => self.root.join(first),
            _ => panic!("'{first}' is no place"),
        };
        let rest = parts.as_path();
        if rest.as_os_str().is_empty() { base } else { base.join(rest) }
    }

    /// Does what one line says.
    pub(super) fn plant(&self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, detail) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = || detail.split(' ').next().unwrap().parse::<usize>().unwrap();
        let path = self.path(name);
        match verb {
            "link" => {
                let target = detail.strip_prefix("-> ").unwrap();
                let ours = target.starts_with("outside") || target.starts_with("repo");
                let text = || unescape(&self.scenery.named(target));
                let target =
                    if ours { self.path(target) } else { OsString::from_vec(text()).into() };
                std::os::unix::fs::symlink(target, cleared(path)).unwrap();
            }
            "fifo" => node(&cleared(path), FileType::Fifo, 0),
            "device" => node(&cleared(path), FileType::CharacterDevice, rustix::fs::makedev(1, 5)),
            // By a relative way: the name of a socket is short.
            "socket" => node(&cleared(path), FileType::Socket, 0),
            "dir" => fs::create_dir(cleared(path)).unwrap(),
            "dirs" => nested(&cleared(path), number()),
            "file" => {
                let text = detail.strip_prefix('=').unwrap();
                let text = self.scenery.named(text.strip_prefix(' ').unwrap_or(text));
                fs::write(cleared(path), unescape(&text)).unwrap();
            }
            "repeat" => {
                let (_, text) = detail.split_once(' ').unwrap();
                fs::write(cleared(path), unescape(text).repeat(number())).unwrap();
            }
            "sparse" => {
                File::create(cleared(path)).unwrap().set_len(number() as u64).unwrap();
            }
            "many" => {
                let (_, name) = detail.split_once(' ').unwrap();
                fs::create_dir_all(&path).unwrap();
                // Names of one file: that is quicker.
                let first = path.join(format!("{name}0"));
                fs::write(&first, "").unwrap();
                let mut source = first;
                for n in 1..number() {
                    let other = path.join(format!("{name}{n}"));
                    if fs::hard_link(&source, &other).is_err() {
                        fs::write(&other, "").unwrap();
                        source = other;
                    }
                }
            }
            "hard" => {
                let source = self.path(detail.strip_prefix("-> ").unwrap());
                fs::hard_link(source, cleared(path)).unwrap();
            }
            "move" => {
                let to = self.path(detail.strip_prefix("-> ").unwrap());
                fs::rename(path, cleared(to)).unwrap();
            }
            "copy" => {
                let to = cleared(self.path(detail.strip_prefix("-> ").unwrap()));
                let copied =
                    self.scenery.sandbox.command(".", "cp").arg("-a").args([path, to]).status();
                assert!(copied.unwrap().success());
            }
            "gone" => remove(&path),
            "set" => {
                let (pointer, value) = detail.split_once(' ').unwrap();
                let value = String::from_utf8(unescape(&self.scenery.named(value))).unwrap();
                set(&path, pointer, serde_json::from_str(&as_json(&value)).unwrap());
            }
            "stretch" => {
                let (pointer, count) = detail.split_once(' ').unwrap();
                set(&path, pointer, Value::from("x".repeat(count.parse().unwrap())));
            }
            "swap" => {
                let (old, new) = detail.split_once(" => ").unwrap();
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(old), "{line}: {text}");
                let (before, after) = text.split_once(old).unwrap();
                let new = unescape(&self.scenery.named(new));
                write(&path, [before.as_bytes(), &new, after.as_bytes()].concat());
            }
            "mode" => {
                let mode = u32::from_str_radix(detail, 8).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
            "owner" => {
                std::os::unix::fs::lchown(path, Some(detail.parse().unwrap()), None).unwrap();
            }
            "age" => {
                let seconds: i64 = detail.parse().unwrap();
                let apart = Duration::from_secs(seconds.unsigned_abs());
                let now = SystemTime::now();
                let then = if seconds < 0 { now + apart } else { now - apart };
                let times = FileTimes::new().set_modified(then);
                File::open(path).unwrap().set_times(times).unwrap();
            }
            _ => panic!("'{verb}' is no way to plant"),
        }
    }
}

/// `text` with its control characters as JSON writes them.
fn as_json(text: &str) -> String {
    let one = |c: char| match u32::from(c) {
        code if c.is_control() => format!("\\u{code:04x}"),
        _ => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// In place of what is there, which may be read-only.
fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

fn set(path: &Path, pointer: &str, value: Value) {
    let mut record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = record.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(items) => items[field.parse::<usize>().unwrap()] = value,
        None => parent[field] = value,
    }
    write(path, record.to_string());
}

/// So many directories, each in the one before; no path is as long as that.
fn nested(path: &Path, count: usize) {
    fs::create_dir(path).unwrap();
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::open(path, flags, Mode::empty()).unwrap();
    for _ in 0..count {
        rustix::fs::mkdirat(&dir, "d", Mode::from_raw_mode(0o755)).unwrap();
        dir = rustix::fs::openat(&dir, "d", flags, Mode::empty()).unwrap();
    }
    rustix::fs::utimensat(
        CWD,
        path,
        &rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
        },
        AtFlags::empty(),
    )
    .unwrap();
}
