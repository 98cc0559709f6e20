//! A tree of files that was prepared once, kept in memory, and written wherever it is needed.

use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// All that was below some directory, each directory before what is in it.
pub(crate) struct Tree(Vec<(PathBuf, Entry)>);

enum Entry {
    Dir,
    Link(PathBuf),
    /// A file's content, in pieces between which the name of the copy belongs: records name the
    /// worktree.
    File(Vec<Vec<u8>>, SystemTime, fs::Permissions),
}

impl Tree {
    /// What is in the directory `root`, whose name is `name` where files tell its path.
    pub(crate) fn read(root: &Path, name: &str) -> Self {
        let mut found = Vec::new();
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            let entry = Entry::read(&path, name);
            if matches!(entry, Entry::Dir) {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            found.push((path.strip_prefix(root).unwrap().to_owned(), entry));
        }
        Self(found)
    }

    /// Makes the directory `root`, whose name is `name`, with all that is in it.
    pub(crate) fn write(&self, root: &Path, name: &str) {
        for (path, entry) in &self.0 {
            // Without a slash at the end of the root.
            let is_root = path.as_os_str().is_empty();
            entry.write(&if is_root { root.to_owned() } else { root.join(path) }, name);
        }
    }
}

impl Entry {
    fn read(path: &Path, name: &str) -> Self {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            return Self::Dir;
        }
        if meta.is_symlink() {
            return Self::Link(fs::read_link(path).unwrap());
        }
        let pieces = match String::from_utf8(fs::read(path).unwrap()) {
            Ok(text) => {
                let between = format!("/{name}/");
                text.split(&between).map(|piece| piece.as_bytes().to_vec()).collect()
            }
            Err(error) => vec![error.into_bytes()],
        };
        Self::File(pieces, meta.modified().unwrap(), meta.permissions())
    }

    fn write(&self, to: &Path, name: &str) {
        match self {
            Self::Dir => fs::create_dir(to).unwrap(),
            Self::Link(target) => std::os::unix::fs::symlink(target, to).unwrap(),
            Self::File(pieces, modified, permissions) => {
                let mut file = File::create_new(to).unwrap();
                file.write_all(&pieces.join(format!("/{name}/").as_bytes())).unwrap();
                file.set_times(FileTimes::new().set_modified(*modified)).unwrap();
                file.set_permissions(permissions.clone()).unwrap();
            }
        }
    }
}
