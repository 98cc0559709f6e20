//! The objects of a commit in one piece, so that it can be pushed again when the cache is gone:
//! each as git hashes it, its kind, its length and a zero byte before its content.

use std::collections::BTreeSet;

use gix::ObjectId;
use gix::objs::Kind;

use super::content::{Made, name};
use crate::error::{Failure, FailureKind};

/// These objects, less those that are `kept` anyway.
pub(super) fn write(made: &Made, kept: &BTreeSet<ObjectId>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, content) in made.iter().filter(|(id, _)| !kept.contains(*id)).map(|(_, it)| it) {
        bytes.extend_from_slice(format!("{kind} {}\0", content.len()).as_bytes());
        bytes.extend_from_slice(content);
    }
    bytes
}

/// Reads what [`write()`] has written.
pub(super) fn read(hash: gix::hash::Kind, mut bytes: &[u8]) -> Result<Made, Failure> {
    let wrong =
        || Failure::new(FailureKind::Unreadable, "the objects of a change cannot be understood");
    let mut made = Made::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(wrong)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong())?;
        let (kind, length) = head.split_once(' ').ok_or_else(wrong)?;
        let kind = Kind::from_bytes(kind.as_bytes()).map_err(|_| wrong())?;
        let length: usize = length.parse().map_err(|_| wrong())?;
        let rest = &bytes[end + 1..];
        let (content, rest) = rest.split_at_checked(length).ok_or_else(wrong)?;
        made.insert(name(hash, kind, content)?, (kind, content.to_vec()));
        bytes = rest;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_back() {
        let hash = gix::hash::Kind::Sha1;
        let contents = [(Kind::Blob, b"".to_vec()), (Kind::Blob, b"a\0b 3\0".to_vec())];
        let made: Made = contents
            .into_iter()
            .map(|(kind, content)| (name(hash, kind, &content).unwrap(), (kind, content)))
            .collect();
        let bytes = write(&made, &BTreeSet::new());
        assert_eq!(read(hash, &bytes).unwrap(), made);
        let (first, _) = made.first_key_value().unwrap();
        assert_eq!(read(hash, &write(&made, &BTreeSet::from([*first]))).unwrap().len(), 1);
        for torn in 1..bytes.len() {
            // Cut between two objects it cannot be told; the commit is missing then.
            assert!(
                read(hash, &bytes[..torn]).is_ok_and(|it| it.len() == 1)
                    || read(hash, &bytes[..torn]).is_err()
            );
        }
        for strange in ["blob -1\0", "blob 99999999999999999999\0", "sock 0\0", "blob 2\0a"] {
            assert!(read(hash, strange.as_bytes()).is_err(), "{strange:?}");
        }
    }
}
