//! The ledger's own repository is a cache: it may be gone, damaged or not ours at any time.

use std::path::Path;

use git_conductor::error::FailureKind;
use git_conductor::ledger::{Fetched, Link, Remote, Swapped};

use super::{Change, Sandbox, begin, clones, content, fetched, home, place};

/// A chain of so many commits on a server in the file system, and the cache of `one`.
fn chain(sandbox: &Sandbox, count: usize) -> Vec<Link> {
    clones(sandbox, "../server.git");
    let one = home(sandbox, "one", "origin");
    let mut chain = vec![begin(&one)];
    while chain.len() < count {
        chain.push(Change::vouch(&one, chain.last().unwrap(), "m1").lands(&one));
    }
    chain
}

#[test]
fn a_cache_that_is_gone_is_made_anew() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 4);
    let tip = chain.last().unwrap();
    let one = home(&sandbox, "one", "origin");
    let cache = place(&sandbox, "one", "origin").cache;
    let gone = || std::fs::remove_dir_all(&cache).unwrap();
    gone();
    assert_eq!(one.read(&tip.id).unwrap(), None);
    assert_eq!(fetched(&one, Some(&tip.id)), Fetched::Same);
    assert_eq!(one.read(&tip.id).unwrap().as_ref(), Some(tip));
    gone();
    assert_eq!(fetched(&one, Some(&chain[0].id)), Fetched::Ahead(chain[1..].to_vec()));
    // Between the making of a change and its push; it stands on what is fetched again.
    let change = Change::vouch(&one, tip, "m1");
    gone();
    let next = change.lands(&one);
    // Also where the parent is not the tip any more.
    let change = Change::vouch(&one, tip, "m1");
    gone();
    assert!(matches!(change.swap(&one), Swapped::Unknown(_) | Swapped::Refused(_)));
    assert_eq!(fetched(&one, Some(&tip.id)), Fetched::Ahead(vec![next.clone()]));
    // A change that is in is found to be in.
    let change = Change::vouch(&one, &next, "m1");
    assert_eq!(change.swap(&one), Swapped::In);
    gone();
    assert!(!matches!(change.swap(&one), Swapped::Refused(_)));
    assert!(matches!(fetched(&one, Some(&next.id)), Fetched::Ahead(_)));
    assert_eq!(change.swap(&one), Swapped::In);
    let left = std::fs::read_dir(sandbox.path()).unwrap();
    assert!(left.flatten().all(|it| !it.file_name().to_string_lossy().starts_with(".tmp")));
}

/// A chain that is longer than what is fetched of it at once.
#[test]
fn a_long_chain_is_fetched_whole_where_it_has_to_be() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 3);
    // Made in process, and pushed at once.
    let one = home(&sandbox, "one", "origin");
    let mut links = chain.clone();
    while links.len() < 300 {
        let change = Change::vouch(&one, links.last().unwrap(), "m1");
        links.push(change.link());
    }
    let cache = place(&sandbox, "one", "origin").cache;
    let to = format!("{}:{}", links.last().unwrap().id.as_str(), super::REFERENCE);
    sandbox.git(&cache, ["push", "-q", sandbox.join("server.git").to_str().unwrap(), &to]);
    let two = home(&sandbox, "two", "origin");
    assert_eq!(fetched(&two, Some(&chain[1].id)), Fetched::Ahead(links[2..].to_vec()));
    // From where it is shallow, and from a commit that is not on it.
    std::fs::remove_dir_all(place(&sandbox, "two", "origin").cache).unwrap();
    let near = &links[links.len() - 200];
    assert!(matches!(fetched(&two, Some(&near.id)), Fetched::Ahead(way) if way.len() == 199));
    let foreign = super::CommitId::parse(&"1".repeat(40)).unwrap();
    assert_eq!(fetched(&two, Some(&foreign)), Fetched::Foreign);
    let foreign = super::CommitId::parse(&"1".repeat(64)).unwrap();
    assert_eq!(fetched(&two, Some(&foreign)), Fetched::Foreign);
}

/// Every file that `is_meant` in the cache, below `objects` or elsewhere.
fn files(cache: &Path, below: &str) -> Vec<std::path::PathBuf> {
    let all = content(cache).into_keys().filter(|path| path.starts_with(below));
    all.map(|path| cache.join(path)).filter(|path| path.is_file()).collect()
}

/// What a power cut or a kill leaves.
#[test]
fn a_damaged_cache_is_thrown_away() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 3);
    let tip = chain.last().unwrap();
    let one = home(&sandbox, "one", "origin");
    let cache = place(&sandbox, "one", "origin").cache;
    let empties = |below: &'static str| {
        let cache = cache.clone();
        move || {
            let files = files(&cache, below);
            assert!(!files.is_empty(), "{below}");
            for file in files {
                // Objects are read-only.
                std::fs::remove_file(&file).unwrap();
                std::fs::write(file, "").unwrap();
            }
        }
    };
    let damages: [(&str, &dyn Fn()); 7] = [
        ("objects", &empties("objects")),
        ("refs", &empties("refs")),
        ("config", &empties("config")),
        ("HEAD", &empties("HEAD")),
        ("no objects", &|| std::fs::remove_dir_all(cache.join("objects")).unwrap()),
        ("a lock", &|| std::fs::write(cache.join("shallow.lock"), "").unwrap()),
        ("a file", &|| {
            std::fs::remove_dir_all(&cache).unwrap();
            std::fs::write(&cache, "").unwrap();
        }),
    ];
    for (what, damage) in damages {
        // A fetch that needs what is there.
        assert_eq!(fetched(&one, Some(&chain[0].id)), Fetched::Ahead(chain[1..].to_vec()));
        damage();
        assert!(one.read(&tip.id).is_ok(), "{what}");
        assert_eq!(fetched(&one, Some(&tip.id)), Fetched::Same, "{what}");
        damage_all(&one, &damage);
        assert_eq!(fetched(&one, None), Fetched::First(Box::new(tip.clone())), "{what}");
        damage_all(&one, &damage);
        assert_eq!(
            fetched(&one, Some(&chain[0].id)),
            Fetched::Ahead(chain[1..].to_vec()),
            "{what}"
        );
    }
    let mut tip = tip.clone();
    for (what, damage) in damages {
        fetched(&one, Some(&tip.id));
        let change = Change::vouch(&one, &tip, "m1");
        damage_all(&one, &damage);
        assert_eq!(change.swap(&one), Swapped::In, "{what}");
        tip = change.link();
        damage_all(&one, &damage);
        Change::vouch(&one, &tip, "m1");
        fetched(&one, Some(&tip.id));
    }
}

/// Damages a cache that is there.
fn damage_all(home: &super::Home, damage: &dyn Fn()) {
    home.fetch(None).unwrap();
    damage();
}

/// Commands of one clone need not take turns.
#[test]
fn several_use_one_cache_at_once() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 3);
    let cache = place(&sandbox, "one", "origin").cache;
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (sandbox, chain, cache) = (&sandbox, &chain, &cache);
            scope.spawn(move || {
                let one = home(sandbox, "one", "origin");
                for round in 0..6 {
                    if n == 0 && round % 2 == 1 {
                        // As a whole, as it is thrown away.
                        std::fs::rename(cache, sandbox.join(format!("away{round}"))).ok();
                    }
                    let tip = Fetched::First(Box::new(chain[2].clone()));
                    assert_eq!(fetched(&one, None), tip);
                    let ahead = Fetched::Ahead(chain[1..].to_vec());
                    assert_eq!(fetched(&one, Some(&chain[0].id)), ahead);
                }
            });
        }
    });
}

/// Nothing collects garbage there.
#[test]
fn a_crowded_cache_is_thrown_away() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 2);
    let one = home(&sandbox, "one", "origin");
    let objects = place(&sandbox, "one", "origin").cache.join("objects");
    std::fs::create_dir_all(objects.join("17")).unwrap();
    for (count, is_kept) in [(90, true), (101, false)] {
        for n in 0..count {
            std::fs::write(objects.join(format!("17/{n:038}")), "").unwrap();
        }
        let ahead = Fetched::Ahead(chain[1..].to_vec());
        assert_eq!(fetched(&one, Some(&chain[0].id)), ahead);
        assert_eq!(objects.join(format!("17/{:038}", 0)).exists(), is_kept);
    }
}

/// A clone can bring files in the place of the cache. Nothing of them runs.
#[test]
fn a_cache_with_settings_of_others_is_thrown_away() {
    let sandbox = Sandbox::in_memory();
    let chain = chain(&sandbox, 2);
    let tip = chain.last().unwrap();
    let one = home(&sandbox, "one", "origin");
    let cache = place(&sandbox, "one", "origin").cache;
    let evil =
        sandbox.write("evil", format!("#!/bin/sh\ntouch '{}'\n", sandbox.join("ran").display()));
    sandbox.command(".", "chmod").args(["+x", "evil"]).status().unwrap();
    let evil = evil.display().to_string();
    let append = |name: &str, text: &str| {
        let path = cache.join(name);
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, old + text).unwrap();
    };
    let upload = format!("[remote \"home\"]\n\tuploadpack = {evil}\n\treceivepack = {evil}\n");
    let elsewhere = sandbox.join("elsewhere");
    let bring: [(&str, &dyn Fn()); 6] = [
        ("a program", &|| append("config", &upload)),
        ("a monitor", &|| append("config", &format!("[core]\n\talternateRefsCommand = {evil}\n"))),
        ("an include", &|| append("config", "[include]\n\tpath = more\n")),
        ("another repository", &|| append("commondir", "../elsewhere\n")),
        ("other objects", &|| append("objects/info/alternates", "/tmp\n")),
        ("a link", &|| {
            std::fs::remove_dir_all(&cache).unwrap();
            std::os::unix::fs::symlink(&elsewhere, &cache).unwrap();
        }),
    ];
    sandbox.git(".", ["init", "-q", "--bare", "--template=", "elsewhere"]);
    std::fs::write(elsewhere.join("config"), upload.clone()).unwrap();
    let before = content(&elsewhere);
    for (what, bring) in bring {
        bring();
        assert_eq!(
            fetched(&one, Some(&chain[0].id)),
            Fetched::Ahead(chain[1..].to_vec()),
            "{what}"
        );
        bring();
        assert_eq!(one.read(&tip.id).unwrap(), None, "{what}");
        assert_eq!(fetched(&one, Some(&tip.id)), Fetched::Same, "{what}");
        assert!(!sandbox.join("ran").exists(), "{what}");
        assert!(cache.symlink_metadata().unwrap().is_dir(), "{what}");
    }
    // A hook does not run, and needs not go.
    append("hooks/reference-transaction", "");
    std::fs::remove_file(cache.join("hooks/reference-transaction")).unwrap();
    std::os::unix::fs::symlink(&evil, cache.join("hooks/reference-transaction")).unwrap();
    let next = Change::vouch(&one, tip, "m1").lands(&one);
    assert_eq!(fetched(&one, Some(&tip.id)), Fetched::Ahead(vec![next]));
    assert!(!sandbox.join("ran").exists());
    assert_eq!(content(&elsewhere), before);
}

#[test]
fn a_cache_that_cannot_be_made_is_said() {
    let sandbox = Sandbox::in_memory();
    clones(&sandbox, "../server.git");
    let mut place = place(&sandbox, "one", "origin");
    place.cache = sandbox.join("nowhere/ledger.git");
    let home = super::Home::new(&sandbox.repo("one"), &place).unwrap();
    let failure = home.fetch(None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Io, "{failure}");
    assert!(failure.to_string().contains("nowhere"), "{failure}");
}
