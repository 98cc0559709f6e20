//! Objects, read and written by git itself: it knows every kind of repository, alternates, partial
//! clones and shared permissions.
//!
//! Many objects cost one child, be they read (`git cat-file --batch`) or written
//! (`git unpack-objects`, which is handed a pack).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use gix::hash::ObjectId;
use gix::objs::Kind;

use crate::error::{Failure, FailureKind};
use crate::git::child;

/// The longest object that is read.
pub(super) const MAX_OBJECT_BYTES: u64 = 16 * 1024 * 1024;

/// The most bytes that are kept of the errors that git writes.
const MAX_COMPLAINT_BYTES: u64 = 16 * 1024;

/// What was found under a name.
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    /// Its content; `None` if it is longer than [`MAX_OBJECT_BYTES`].
    pub(super) content: Option<Vec<u8>>,
}

/// A `git cat-file --batch`; ends when it is dropped.
pub(super) struct Reader {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Hears what git complains about.
    complaints: Option<JoinHandle<Vec<u8>>>,
    /// Why what is missing could not be fetched.
    unfetched: Option<Failure>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It ends at the end of its input; one that still writes is not heard out.
        self.questions.take();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Reader {
    /// Starts one; `git` is a child of the repository that has no arguments yet.
    pub(super) fn start(mut git: Command) -> Result<Self, Failure> {
        git.args(["cat-file", "--batch"]).env("GIT_NO_REPLACE_OBJECTS", "1");
        // What is missing of a partial clone has been fetched at once.
        git.env("GIT_NO_LAZY_FETCH", "1");
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::spawn(&mut git)?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new(FailureKind::Bug, "a child without pipes"));
        };
        let complaints = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                let mut stderr = stderr.take(MAX_COMPLAINT_BYTES);
                stderr.read_to_end(&mut said).ok();
                // The rest is not kept, and holds nobody up.
                std::io::copy(&mut stderr.into_inner(), &mut std::io::sink()).ok();
                said
            })
        });
        let questions = Some(questions);
        let answers = BufReader::new(answers);
        Ok(Self { child, questions, answers, complaints, unfetched: None })
    }

    /// Keeps why what is missing was not fetched, for when it is asked for.
    pub(super) fn without(&mut self, fetched: Result<(), Failure>) {
        self.unfetched = fetched.err().or(self.unfetched.take());
    }

    /// Why there is no object `id`, which should be there.
    pub(super) fn missing(&mut self, id: ObjectId) -> Failure {
        let missing = || Failure::new(FailureKind::Git, format!("object {id} is missing"));
        self.unfetched.take().unwrap_or_else(missing)
    }

    /// Why git has ended.
    fn ended(&mut self) -> Failure {
        if let Some(unfetched) = self.unfetched.take() {
            return unfetched;
        }
        self.questions.take();
        let status = self.child.wait();
        let said = self.complaints.take().and_then(|heard| heard.join().ok()).unwrap_or_default();
        let said = child::complained(&said);
        let ended = || match status {
            Ok(status) => format!("'git cat-file' failed ({status})"),
            Err(error) => format!("cannot read from 'git cat-file': {error}"),
        };
        Failure::new(FailureKind::Git, said.unwrap_or_else(ended))
    }

    /// The object that `name` (an id, or the full name of a reference) means; `None` if there is
    /// none.
    pub(super) fn find(&mut self, name: &str) -> Result<Option<Object>, Failure> {
        if let Some(questions) = &mut self.questions
            && questions.write_all(format!("{name}\n").as_bytes()).is_err()
        {
            return Err(self.ended());
        }
        let mut head = String::new();
        self.answers.read_line(&mut head).map_err(cannot)?;
        if head.is_empty() {
            return Err(self.ended());
        }
        let words: Vec<&str> = head.split_whitespace().collect();
        let [id, kind, size] = words[..] else {
            return if head.trim_end().ends_with(" missing") {
                Ok(None)
            } else {
                Err(strange(&head))
            };
        };
        let id = ObjectId::from_hex(id.as_bytes()).map_err(|_| strange(&head))?;
        let kind = Kind::from_bytes(kind.as_bytes()).map_err(|_| strange(&head))?;
        let size: u64 = size.parse().map_err(|_| strange(&head))?;
        let mut content = Vec::new();
        if size <= MAX_OBJECT_BYTES {
            (&mut self.answers).take(size).read_to_end(&mut content).map_err(cannot)?;
        } else {
            let mut rest = (&mut self.answers).take(size);
            std::io::copy(&mut rest, &mut std::io::sink()).map_err(cannot)?;
        }
        let mut end = [0; 1];
        self.answers.read_exact(&mut end).map_err(cannot)?;
        Ok(Some(Object { id, kind, content: (size <= MAX_OBJECT_BYTES).then_some(content) }))
    }

    /// The content of the object `id`, which must be there and of this kind.
    pub(super) fn read(&mut self, id: ObjectId, kind: Kind) -> Result<Vec<u8>, Failure> {
        let wrong = |why: &str| Failure::new(FailureKind::Git, format!("object {id} {why}"));
        let found = self.find(&id.to_string())?;
        let found = found.ok_or_else(|| self.missing(id))?;
        if found.kind != kind {
            return Err(wrong(&format!("is no {kind}")));
        }
        found.content.ok_or_else(|| wrong("is too long to be of notes"))
    }
}

fn cannot(error: std::io::Error) -> Failure {
    Failure::io(error, "cannot read from 'git cat-file'")
}

fn strange(head: &str) -> Failure {
    let text = format!("cannot understand the answer of 'git cat-file': '{}'", head.trim_end());
    Failure::new(FailureKind::Git, text)
}

/// What an object is called.
pub(super) fn object_id(
    hash: gix::hash::Kind,
    kind: Kind,
    content: &[u8],
) -> Result<ObjectId, Failure> {
    gix::objs::compute_hash(hash, kind, content)
        .map_err(|error| Failure::new(FailureKind::Git, error.to_string()))
}

/// Objects that are to be written.
#[derive(Default)]
pub(super) struct Pack {
    objects: BTreeMap<ObjectId, (Kind, Vec<u8>)>,
}

impl Pack {
    /// Adds an object, and gives its id.
    pub(super) fn add(
        &mut self,
        hash: gix::hash::Kind,
        kind: Kind,
        content: Vec<u8>,
    ) -> Result<ObjectId, Failure> {
        let id = object_id(hash, kind, &content)?;
        self.objects.insert(id, (kind, content));
        Ok(id)
    }

    /// Adds all of `other`.
    pub(super) fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
    }

    /// The content of an object that is among them.
    pub(super) fn content(&self, id: ObjectId) -> Option<&[u8]> {
        self.objects.get(&id).map(|(_, content)| content.as_slice())
    }

    /// The ids of all of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.objects.keys()
    }

    /// Writes them, each by itself; or, with `packs`, as one pack in that directory, which stays
    /// there as long as the answer is held. `git` is a child of the repository that has no
    /// arguments yet.
    pub(super) fn write(
        &self,
        mut git: Command,
        hash: gix::hash::Kind,
        packs: Option<&Path>,
    ) -> Result<Option<Kept>, Failure> {
        if self.objects.is_empty() {
            return Ok(None);
        }
        if packs.is_some() {
            git.args(["index-pack", "--stdin", "--keep=git conductor"]);
        } else {
            git.args(["unpack-objects", "-q"]);
        }
        git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let cannot = |error| Failure::io(error, "cannot run 'git'");
        let mut child = child::spawn(&mut git)?;
        // A git that fails says why; that it has stopped listening does not.
        let sum = child.stdin.take().and_then(|stdin| self.stream(stdin, hash).ok());
        // One that fails may leave the file behind, too.
        let kept = packs.zip(sum).map(|(packs, sum)| Kept(packs.join(format!("pack-{sum}.keep"))));
        let output = child.wait_with_output().map_err(cannot)?;
        if !output.status.success() {
            return Err(child::complaint(&git, &output));
        }
        Ok(kept)
    }

    /// The pack (gitformat-pack): each object as it is, since git compresses it again. Gives the
    /// hash that it ends with, and is called after.
    fn stream(&self, to: ChildStdin, hash: gix::hash::Kind) -> std::io::Result<ObjectId> {
        let mut out = Hashed { to, hasher: gix::hash::hasher(hash) };
        let count = u32::try_from(self.objects.len()).unwrap_or(u32::MAX);
        out.write(&[b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat())?;
        for (kind, content) in self.objects.values() {
            out.write(&head(*kind, content.len()))?;
            // zlib: stored blocks of at most 65535 bytes, and the sum.
            out.write(&[0x78, 0x01])?;
            let mut blocks = content.chunks(0xffff).peekable();
            if blocks.peek().is_none() {
                out.write(&[1, 0, 0, 0xff, 0xff])?;
            }
            while let Some(block) = blocks.next() {
                let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
                let last = u8::from(blocks.peek().is_none());
                let [low, high] = length.to_le_bytes();
                out.write(&[last, low, high, !low, !high])?;
                out.write(block)?;
            }
            out.write(&adler32(content).to_be_bytes())?;
        }
        let Hashed { mut to, hasher } = out;
        let sum = hasher.try_finalize().map_err(std::io::Error::other)?;
        to.write_all(sum.as_slice())?;
        Ok(sum)
    }
}

/// A file that keeps a pack from being collected; removed when dropped.
pub(super) struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        // Left behind it keeps a small pack, and nothing is wrong.
        std::fs::remove_file(&self.0).ok();
    }
}

/// What is written is hashed: a pack ends with the hash of all before it.
struct Hashed {
    to: ChildStdin,
    hasher: gix::hash::Hasher,
}

impl Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.to.write_all(bytes)
    }
}

/// An object's head in a pack: its kind in three bits, and its size, seven bits a byte but the
/// first.
fn head(kind: Kind, size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let low = |bits: usize, mask: usize| u8::try_from(bits & mask).unwrap_or_default();
    let mut bytes = vec![kind << 4 | low(size, 0x0f)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(before) = bytes.last_mut() {
            *before |= 0x80;
        }
        bytes.push(low(rest, 0x7f));
        rest >>= 7;
    }
    bytes
}

/// The checksum of zlib (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many bytes cannot overflow the sums.
    for piece in bytes.chunks(5552) {
        for byte in piece {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    b << 16 | a
}
