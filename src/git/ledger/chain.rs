//! How two commits of a ledger stand to each other: by the parents that they name, whatever git
//! takes for the end of what was fetched.

use gix::ObjectId;

use super::content::{self, Objects, Trouble};
use crate::ledger::Link;
use crate::rules::shared::Shared;

/// The depth of a fetch into an empty cache, in commits, before the whole chain is fetched.
pub(super) const FIRST_DEPTH: u32 = 256;

/// The most commits that are looked through.
const MAX_COMMITS: usize = 1_000_000;
/// The most changes that are read at once, and the most bytes of JSON that they may take.
const MAX_LINKS: usize = 20_000;
const MAX_LINKS_BYTES: u64 = 512 << 20;

/// The way from a commit back to another.
pub(super) enum Way {
    /// It leads there: the commits after that one, the earliest first.
    Leads(Vec<ObjectId>),
    /// It comes to the first commit of a ledger without.
    Ends,
    /// It comes to a commit that is not kept here.
    Breaks,
}

/// The way from `late` back to `early`.
pub(super) fn between(
    from: &impl Objects,
    early: ObjectId,
    late: ObjectId,
) -> Result<Way, Trouble> {
    let mut way = Vec::new();
    let mut next = Some(late);
    while let Some(id) = next {
        if id == early {
            way.reverse();
            return Ok(Way::Leads(way));
        }
        if way.len() >= MAX_COMMITS {
            return Err(too_many());
        }
        way.push(id);
        let Some(commit) = content::commit(from, id)? else { return Ok(Way::Breaks) };
        next = commit.parent;
    }
    Ok(Way::Ends)
}

/// All that these commits hold.
pub(super) fn links(from: &impl Objects, way: &[ObjectId]) -> Result<Vec<Link>, Trouble> {
    if way.len() > MAX_LINKS {
        return Err(too_many());
    }
    let counted = Counted { from, bytes: std::cell::Cell::new(0) };
    let mut links = Vec::with_capacity(way.len());
    for id in way {
        let missing = || Trouble::Broken(format!("object {id} is missing"));
        links.push(content::link(&counted, *id)?.ok_or_else(missing)?);
    }
    Ok(links)
}

fn too_many() -> Trouble {
    Trouble::Foreign("the ledger has more changes than can be read".to_owned())
}

/// The board of the oldest commit before `id` that is kept here; `None` without any.
pub(super) fn oldest(from: &impl Objects, id: ObjectId) -> Result<Option<Shared>, Trouble> {
    let mut oldest = None;
    let mut next = Some(id);
    for _ in 0..MAX_COMMITS {
        let Some(id) = next else { break };
        let Some(commit) = content::commit(from, id)? else { break };
        oldest = Some(id);
        next = commit.parent;
    }
    match oldest {
        Some(id) => Ok(content::link(from, id)?.map(|link| link.shared)),
        None => Ok(None),
    }
}

/// Objects, as long as they are not too many bytes.
struct Counted<'a, O> {
    from: &'a O,
    bytes: std::cell::Cell<u64>,
}

impl<O: Objects> Objects for Counted<'_, O> {
    fn hash(&self) -> gix::hash::Kind {
        self.from.hash()
    }

    fn find(
        &self,
        id: ObjectId,
        kind: gix::objs::Kind,
        most: u64,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let found = self.from.find(id, kind, most)?;
        let length = found.as_ref().map_or(0, |found| found.len() as u64);
        let bytes = self.bytes.get().saturating_add(length);
        self.bytes.set(bytes);
        if bytes > MAX_LINKS_BYTES { Err(too_many()) } else { Ok(found) }
    }
}
