//! Where the repository and its store are found, against real git.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use git_conductor::error::{Failure, FailureKind};
use git_conductor::place::{self, Origin, Place};
use git_conductor::store::layout::CONDUCTOR;

use crate::process_driver::Agent;
use crate::sandbox::{Sandbox, kind};

pub(crate) fn find(sandbox: &Sandbox, dir: impl AsRef<Path>) -> Result<Place, Failure> {
    let dir = sandbox.join(dir);
    let repo = sandbox.discover(&dir)?;
    place::find(None, &|name| sandbox.var(name), &dir, repo.as_ref())
}

pub(crate) fn store(sandbox: &Sandbox, dir: impl AsRef<Path>) -> PathBuf {
    find(sandbox, dir).map_err(|failure| failure.to_string()).unwrap().store
}

/// Makes a store as `start` does before it records where that is.
fn make_store(store: &Path) {
    fs::create_dir_all(store.join(CONDUCTOR)).unwrap();
}

/// What `discover` found in `dir` is what git says, in the same environment.
pub(crate) fn agrees_with_git(sandbox: &Sandbox, dir: impl AsRef<Path>) {
    let (dir, from) = (dir.as_ref(), dir.as_ref().display());
    let repo = sandbox.repo(dir);
    let ask = |what: &str| {
        let output = sandbox.try_git(dir, ["rev-parse", "--path-format=absolute", what]);
        output.status.success().then(|| {
            let line = output.stdout.strip_suffix(b"\n").unwrap();
            let path = PathBuf::from(OsStr::from_bytes(line));
            path.canonicalize().unwrap_or(path)
        })
    };
    assert_eq!(Some(repo.git_dir()), ask("--git-dir").as_deref(), "git dir from {from}");
    assert_eq!(Some(repo.common_dir()), ask("--git-common-dir").as_deref(), "common, {from}");
    assert_eq!(repo.worktree(), ask("--show-toplevel").as_deref(), "worktree from {from}");
}

/// All of `dirs` reach `expected`, and git agrees on where each of them is.
pub(crate) fn all_reach(sandbox: &Sandbox, dirs: &[&str], expected: &str) {
    let project = find(sandbox, dirs[0]).unwrap().project;
    for dir in dirs {
        agrees_with_git(sandbox, dir);
        let place = find(sandbox, dir).unwrap();
        assert_eq!(place.store, sandbox.join(expected), "from {dir}");
        assert_eq!(place.project, project, "from {dir}");
        assert!(!place.explicit, "from {dir}");
    }
}

#[test]
fn one_repository_one_store() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    fs::create_dir_all(sandbox.join("repo/a/b")).unwrap();
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir_all(sandbox.join("linked/deep")).unwrap();
    symlink(sandbox.join("repo/a"), sandbox.join("shortcut")).unwrap();
    let everywhere = [
        "repo",
        "repo/a/b",
        "repo/.git",
        "repo/.git/refs",
        "repo/.git/worktrees/linked",
        "linked",
        "linked/deep",
        "shortcut/b",
    ];
    all_reach(&sandbox, &everywhere, "repo/.nanostack");
    let linked = sandbox.repo("linked");
    assert!(linked.is_linked_worktree() && !linked.is_bare());
    assert_eq!(linked.main_worktree(), Some(sandbox.join("repo").as_path()));
    assert_eq!(linked.worktrees(), [sandbox.join("linked"), sandbox.join("repo")]);
    assert_eq!(linked.anchor(), sandbox.join("repo"));
}

#[test]
fn relative_worktree_links() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    // What git 2.48 writes with `worktree.useRelativePaths`.
    sandbox.write("linked/.git", "gitdir: ../repo/.git/worktrees/linked\n");
    sandbox.write("repo/.git/worktrees/linked/gitdir", "../../../../linked/.git\n");
    all_reach(&sandbox, &["repo", "linked"], "repo/.nanostack");
    assert_eq!(sandbox.repo("repo").worktrees(), [sandbox.join("linked"), sandbox.join("repo")]);
}

#[test]
fn submodule_and_its_linked_worktree() {
    let sandbox = Sandbox::new();
    sandbox.repository("library");
    sandbox.repository("super");
    sandbox.git("super", ["submodule", "--quiet", "add", "../library", "sub"]);
    sandbox.git("super/sub", ["worktree", "add", "-q", "../../linked"]);
    let dirs = ["super/sub", "super/.git/modules/sub", "linked"];
    all_reach(&sandbox, &dirs, "super/sub/.nanostack");
    assert_eq!(store(&sandbox, "super"), sandbox.join("super/.nanostack"));
    // With per-worktree configuration, `core.worktree` moves to the main worktree's own file.
    sandbox.git("super/sub", ["sparse-checkout", "set", "--cone"]);
    assert!(sandbox.join("super/.git/modules/sub/config.worktree").is_file());
    all_reach(&sandbox, &dirs, "super/sub/.nanostack");
}

#[test]
fn bare_with_and_without_worktrees() {
    let sandbox = Sandbox::new();
    let source = sandbox.repository("source");
    sandbox.git(".", ["clone", "-q", "--bare", source.to_str().unwrap(), "bare.git"]);
    sandbox.git("bare.git", ["worktree", "add", "-q", "../one"]);
    sandbox.git("bare.git", ["worktree", "add", "-q", "../two"]);
    let dirs = ["bare.git", "bare.git/refs", "one", "two", "bare.git/worktrees/one"];
    all_reach(&sandbox, &dirs, "bare.git/nanostack");
    let one = sandbox.repo("one");
    assert!(one.is_bare() && one.main_worktree().is_none() && one.is_linked_worktree());
    assert_eq!(find(&sandbox, "one").unwrap().project, sandbox.join("bare.git"));
    // A bare repository may be named `.git`.
    sandbox.git(".", ["clone", "-q", "--bare", source.to_str().unwrap(), "project/.git"]);
    sandbox.git("project/.git", ["worktree", "add", "-q", "../wt"]);
    all_reach(&sandbox, &["project", "project/.git", "project/wt"], "project/.git/nanostack");
}

#[test]
fn separate_git_dir() {
    let sandbox = Sandbox::new();
    sandbox.git(".", ["init", "-q", "--separate-git-dir=elsewhere", "work"]);
    sandbox.commit("work");
    sandbox.git("work", ["worktree", "add", "-q", "../linked"]);
    for dir in ["work", "linked", "elsewhere"] {
        agrees_with_git(&sandbox, dir);
        assert_eq!(find(&sandbox, dir).unwrap().project, sandbox.join("elsewhere"), "{dir}");
    }
    // Nothing in the common directory says where the main worktree is: until a pointer does, only
    // it knows.
    assert_eq!(store(&sandbox, "work"), sandbox.join("work/.nanostack"));
    assert_eq!(store(&sandbox, "linked"), sandbox.join("elsewhere/nanostack"));
    // A hook of the main worktree is told the git directory, and is still at home.
    let mut hook = Sandbox::new();
    hook.git(".", ["init", "-q", "--separate-git-dir=elsewhere", "work"]);
    hook.set("GIT_DIR", hook.join("elsewhere"));
    assert_eq!(store(&hook, "work"), hook.join("work/.nanostack"));
    // The first start settles it for everyone, and the second finds it settled.
    make_store(&sandbox.join("work/.nanostack"));
    make_store(&sandbox.join("elsewhere/nanostack"));
    place::write_pointer(&sandbox.repo("work"), &sandbox.join("work/.nanostack")).unwrap();
    all_reach(&sandbox, &["work", "linked", "elsewhere"], "work/.nanostack");
    let late = place::write_pointer(&sandbox.repo("linked"), &sandbox.join("elsewhere/nanostack"));
    assert_eq!(kind(late), FailureKind::Busy);
    all_reach(&sandbox, &["work", "linked"], "work/.nanostack");
}

#[test]
fn named_by_the_environment() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir_all(sandbox.join("other/sub")).unwrap();
    sandbox.set("GIT_DIR", sandbox.join("repo/.git"));
    all_reach(&sandbox, &["other", "repo", "linked"], "repo/.nanostack");
    sandbox.set("GIT_WORK_TREE", sandbox.join("other"));
    all_reach(&sandbox, &["other", "other/sub", "repo"], "repo/.nanostack");
    // As git exports it to the hooks of a linked worktree.
    sandbox.unset("GIT_WORK_TREE");
    sandbox.set("GIT_DIR", sandbox.join("repo/.git/worktrees/linked"));
    sandbox.set("GIT_INDEX_FILE", sandbox.join("repo/.git/worktrees/linked/index"));
    sandbox.set("GIT_PREFIX", "");
    all_reach(&sandbox, &["linked"], "repo/.nanostack");
    sandbox.unset("GIT_INDEX_FILE");
    // A relative one, a `.git` file, and one that leads nowhere.
    sandbox.set("GIT_DIR", ".git");
    all_reach(&sandbox, &["repo"], "repo/.nanostack");
    // Hooks that a push runs are called in the git directory.
    sandbox.set("GIT_DIR", ".");
    all_reach(&sandbox, &["repo/.git"], "repo/.nanostack");
    sandbox.set("GIT_DIR", "../linked/.git");
    all_reach(&sandbox, &["other"], "repo/.nanostack");
    sandbox.set("GIT_DIR", "nowhere");
    assert_eq!(kind(sandbox.discover("repo")), FailureKind::NotARepository);
    sandbox.unset("GIT_DIR");
    sandbox.set("GIT_WORK_TREE", sandbox.join("other"));
    all_reach(&sandbox, &["repo"], "repo/.nanostack");
}

#[test]
fn recorded_worktree() {
    let mut sandbox = Sandbox::new();
    let main = sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    fs::create_dir_all(sandbox.join("files/sub")).unwrap();
    sandbox.git("repo", ["config", "core.worktree", "../../files"]);
    all_reach(&sandbox, &["repo", "repo/.git", "linked"], "files/.nanostack");
    // One that is gone cannot hold a store; a pointer keeps what was there.
    fs::remove_dir_all(sandbox.join("files")).unwrap();
    assert_eq!(store(&sandbox, "linked"), main.join(".git/nanostack"));
    // A shared directory that is named, and a path that is not text.
    let odd = sandbox.join(OsStr::from_bytes(b"not \xfftext"));
    fs::create_dir(&odd).unwrap();
    sandbox.git(&odd, ["init", "-q"]);
    assert_eq!(store(&sandbox, &odd), odd.join(".nanostack"));
    sandbox.git(&odd, ["worktree", "add", "-q", "--orphan", "../odd-linked"]);
    assert_eq!(store(&sandbox, "odd-linked"), odd.join(".nanostack"));
    sandbox.set("GIT_COMMON_DIR", odd.join(".git"));
    sandbox.set("GIT_DIR", odd.join(".git/worktrees/odd-linked"));
    assert_eq!(store(&sandbox, "odd-linked"), odd.join(".nanostack"));
    assert_eq!(sandbox.repo("odd-linked").snapshot(None).unwrap().commit, None);
}

#[test]
fn outside_of_any_repository() {
    let mut sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.join("plain/sub")).unwrap();
    sandbox.set("GIT_CEILING_DIRECTORIES", sandbox.join("."));
    assert!(sandbox.discover("plain").unwrap().is_none());
    let failure = find(&sandbox, "plain/sub").unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotARepository);
    assert_eq!(
        failure.to_string(),
        "not a git repository (or any of the parent directories): .git"
    );
    // An explicit store needs none.
    sandbox.set("GIT_CONDUCTOR_STORE", "../boards/x");
    let place = find(&sandbox, "plain/sub").unwrap();
    assert_eq!(place.store, sandbox.join("plain/boards/x"));
    assert_eq!(place.project, sandbox.join("plain/sub"));
    assert!(place.explicit && place.origin == Origin::Given);
}

#[test]
fn ceilings() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    fs::create_dir_all(sandbox.join("repo/a/b")).unwrap();
    symlink(sandbox.join("repo"), sandbox.join("link")).unwrap();
    let found = |sandbox: &Sandbox, dir: &str| {
        let ours = sandbox.discover(dir).unwrap().is_some();
        assert_eq!(ours, sandbox.try_git(dir, ["rev-parse"]).status.success(), "{dir}");
        ours
    };
    for (ceiling, from, expected) in [
        ("repo", "repo/a", false),
        ("repo", "repo", true),
        ("repo/", "repo/a/b", false),
        ("link", "repo/a/b", false),
        (".", "repo/a/b", true),
        ("repo/a/b", "repo/a/b", true),
        ("nowhere", "repo/a/b", true),
    ] {
        sandbox.set("GIT_CEILING_DIRECTORIES", sandbox.join(ceiling));
        assert_eq!(found(&sandbox, from), expected, "{ceiling} from {from}");
    }
    // Behind an empty entry, links are not resolved.
    sandbox.set("GIT_CEILING_DIRECTORIES", format!(":{}", sandbox.join("link").display()));
    assert!(found(&sandbox, "repo/a/b"));
}

#[test]
fn broken_git_file_is_not_passed_by() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "inner"]);
    fs::remove_dir_all(sandbox.join("repo/.git/worktrees")).unwrap();
    assert!(!sandbox.try_git("repo/inner", ["rev-parse"]).status.success());
    assert_eq!(kind(sandbox.discover("repo/inner")), FailureKind::NotARepository);
    sandbox.write("repo/inner/.git", "nonsense");
    assert_eq!(kind(sandbox.discover("repo/inner")), FailureKind::NotARepository);
    // An empty directory of that name is passed by.
    fs::create_dir_all(sandbox.join("repo/empty/.git")).unwrap();
    agrees_with_git(&sandbox, "repo/empty");
}

#[test]
fn pointer() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    let main = sandbox.repo("repo");
    let moved = sandbox.join("boards");
    make_store(&moved);
    place::write_pointer(&main, &moved).unwrap();
    let file = sandbox.join("repo/.git/conductor/store");
    assert_eq!(fs::read_to_string(&file).unwrap(), "../../boards\n");
    all_reach(&sandbox, &["repo", "linked"], "boards");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    place::write_pointer(&main, &moved).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing left behind");

    fs::remove_dir(moved.join(CONDUCTOR)).unwrap();
    assert_eq!(kind(find(&sandbox, "linked")), FailureKind::StoreGone, "a store without boards");
    fs::remove_dir(&moved).unwrap();
    assert_eq!(kind(find(&sandbox, "linked")), FailureKind::StoreGone);
    let vars = |name: &str| sandbox.var(name);
    let place = place::find_for_start(None, &vars, main.git_dir(), Some(&main)).unwrap();
    assert_eq!(
        (place.store.as_path(), place.origin),
        (sandbox.join("repo/.nanostack").as_path(), Origin::Default)
    );
    make_store(&place.store);
    place::write_pointer(&main, &place.store).unwrap();
    all_reach(&sandbox, &["repo", "linked"], "repo/.nanostack");

    for content in [&b""[..], b"a\nb\n", b"a\0b\n", &[b'x'; 5000]] {
        fs::write(&file, content).unwrap();
        assert_eq!(kind(find(&sandbox, "repo")), FailureKind::Tampered);
    }
    fs::remove_file(&file).unwrap();
    symlink(sandbox.write("target", "../.nanostack\n"), &file).unwrap();
    assert_eq!(kind(find(&sandbox, "repo")), FailureKind::Tampered);
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    symlink(sandbox.path(), file.parent().unwrap()).unwrap();
    assert_eq!(kind(find(&sandbox, "repo")), FailureKind::Tampered);
}

#[test]
fn two_first_starts_at_once() {
    for _ in 0..60 {
        let sandbox = Sandbox::new();
        sandbox.git(".", ["init", "-q", "repo"]);
        let stores = ["a", "b", "c", "d"].map(|name| sandbox.join(name));
        let won = std::thread::scope(|scope| {
            let threads = stores.each_ref().map(|store| {
                make_store(store);
                let sandbox = &sandbox;
                scope.spawn(move || place::write_pointer(&sandbox.repo("repo"), store))
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let winners: Vec<_> = stores
            .iter()
            .zip(&won)
            .filter(|(_, won)| won.is_ok())
            .map(|(store, _)| store)
            .collect();
        assert_eq!(winners, [&store(&sandbox, "repo")], "exactly one, and it holds");
        for lost in won.into_iter().filter(Result::is_err) {
            assert_eq!(kind(lost), FailureKind::Busy);
        }
    }
}

#[test]
fn a_link_that_came_with_a_checkout() {
    let mut sandbox = Sandbox::new();
    let main = sandbox.repository("origin");
    let elsewhere = sandbox.join("elsewhere");
    fs::create_dir_all(elsewhere.join("boards")).unwrap();
    symlink(&elsewhere, main.join(".nanostack")).unwrap();
    symlink(&elsewhere, main.join("tools")).unwrap();
    sandbox.git("origin", ["add", "-f", ".nanostack", "tools"]);
    sandbox.git("origin", ["commit", "-q", "-m", "links"]);
    sandbox.git(".", ["clone", "-q", "origin", "clone"]);
    sandbox.git("clone", ["worktree", "add", "-q", "../linked"]);
    let me = Agent::new("me");
    let refused = |sandbox: &Sandbox, what: &str| {
        for dir in ["clone", "linked", "clone/.git"] {
            let found = find(sandbox, dir);
            assert_eq!(kind(found), FailureKind::Tampered, "{what} from {dir}");
            let repo = sandbox.repo(dir);
            let vars = |name: &str| sandbox.var(name);
            let own = place::find_own(&repo, &vars);
            assert_eq!(kind(own), FailureKind::Tampered, "{what} from {dir}");
            for command in ["start", "status", "next", "archive", "clean"] {
                let said = sandbox.run(dir, &me, &[command]);
                assert_eq!(said.said(), (Some(128), "tampered"), "{what}, {command}: {said:?}");
            }
        }
        let there = fs::read_dir(&elsewhere).unwrap().count();
        assert_eq!((there, fs::read_dir(elsewhere.join("boards")).unwrap().count()), (1, 0));
    };
    refused(&sandbox, "the default");
    // A setting that names a path in the worktree does not name what the checkout makes of it.
    for setting in ["tools/boards", "./tools/../.nanostack", ".nanostack"] {
        sandbox.git("clone", ["config", "conductor.store", setting]);
        refused(&sandbox, setting);
    }
    sandbox.git("clone", ["config", "--unset", "conductor.store"]);
    sandbox.write("clone/.git/conductor/store", "../tools/boards\n");
    refused(&sandbox, "a pointer through a link");
    sandbox.write("clone/.git/conductor/store", "../.nanostack\n");
    refused(&sandbox, "a pointer to a link");
    // A relative setting of the user's names a place in each repository, and no link there.
    fs::remove_dir_all(sandbox.join("clone/.git/conductor")).unwrap();
    sandbox.git(".", ["config", "--global", "conductor.store", "tools/boards"]);
    assert_eq!(kind(find(&sandbox, "clone")), FailureKind::Tampered);
    // What the user names in full is the user's choice.
    let chosen = sandbox.join("clone/.nanostack");
    sandbox.git(".", ["config", "--global", "conductor.store", chosen.to_str().unwrap()]);
    assert_eq!(store(&sandbox, "linked"), elsewhere);
    sandbox.git(".", ["config", "--global", "--unset", "conductor.store"]);
    sandbox.set("GIT_CONDUCTOR_STORE", &chosen);
    assert_eq!(store(&sandbox, "linked"), elsewhere);
    sandbox.unset("GIT_CONDUCTOR_STORE");
    sandbox.set("NANOSTACK_STORE", &chosen);
    assert_eq!(store(&sandbox, "clone"), elsewhere);
    sandbox.unset("NANOSTACK_STORE");
    let given = ["start", "--store", chosen.to_str().unwrap()];
    sandbox.run("clone", &me, &given).ok();
    assert!(elsewhere.join("conductor").is_dir());
}

#[test]
fn a_link_outside_of_the_worktrees_is_the_users_own() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    make_store(&sandbox.join("boards"));
    symlink("boards", sandbox.join("alias")).unwrap();
    sandbox.git("repo", ["config", "conductor.store", "../alias"]);
    all_reach(&sandbox, &["repo", "linked", "repo/.git"], "boards");
    sandbox.git("repo", ["config", "--unset", "conductor.store"]);
    sandbox.write("repo/.git/conductor/store", "../../alias\n");
    all_reach(&sandbox, &["repo", "linked", "repo/.git"], "boards");
}

#[test]
fn a_moved_repository_keeps_its_store() {
    let sandbox = Sandbox::new();
    let path = sandbox.repository("repo");
    make_store(&path.join(".nanostack"));
    place::write_pointer(&sandbox.repo("repo"), &path.join(".nanostack")).unwrap();
    fs::rename(path, sandbox.join("moved")).unwrap();
    assert_eq!(store(&sandbox, "moved"), sandbox.join("moved/.nanostack"));
}

#[test]
fn nanostack_store() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.git("repo", ["worktree", "add", "-q", "../third"]);
    symlink(sandbox.join("linked"), sandbox.join("alias")).unwrap();
    // The older scripts export the worktree's own; that would split the locks.
    for own in ["linked/.nanostack", "alias/.nanostack", "linked/./.nanostack/"] {
        sandbox.set("NANOSTACK_STORE", sandbox.join(own));
        assert_eq!(store(&sandbox, "linked"), sandbox.join("repo/.nanostack"), "{own}");
    }
    sandbox.set("NANOSTACK_STORE", ".nanostack");
    assert_eq!(store(&sandbox, "linked"), sandbox.join("repo/.nanostack"));
    fs::create_dir(sandbox.join("linked/.nanostack")).unwrap();
    assert_eq!(store(&sandbox, "linked"), sandbox.join("repo/.nanostack"));
    // Anything else is meant.
    sandbox.set("NANOSTACK_STORE", sandbox.join("shared"));
    let place = find(&sandbox, "linked").unwrap();
    assert!(place.explicit && place.origin == Origin::Nanostack);
    assert_eq!(place.store, sandbox.join("shared"));
    assert_eq!(place.project, sandbox.join("repo"));
    // And the stronger ones win.
    sandbox.set("GIT_CONDUCTOR_STORE", sandbox.join("stronger"));
    assert_eq!(store(&sandbox, "linked"), sandbox.join("stronger"));
    let found = sandbox.repo("linked");
    let vars = |name: &str| sandbox.var(name);
    let given = sandbox.join("given");
    let place = place::find(Some(&given), &vars, sandbox.path(), Some(&found)).unwrap();
    assert_eq!(place.store, given);
    // A hook asks for the repository's own.
    let place = place::find_own(&found, &vars).unwrap();
    assert_eq!((place.store, place.explicit), (sandbox.join("repo/.nanostack"), false));
}

#[test]
fn configured_store() {
    let mut sandbox = Sandbox::new();
    sandbox.repository("repo");
    sandbox.git("repo", ["worktree", "add", "-q", "../linked"]);
    sandbox.git("repo", ["config", "conductor.store", "../boards"]);
    all_reach(&sandbox, &["repo", "linked", "repo/.git"], "boards");
    assert_eq!(find(&sandbox, "linked").unwrap().origin, Origin::Config);
    sandbox.git("repo", ["config", "conductor.store", "~/boards"]);
    assert_eq!(store(&sandbox, "linked"), sandbox.join("home/boards"));
    sandbox.git("repo", ["config", "--unset", "conductor.store"]);
    // A user's setting serves several projects.
    sandbox.git(".", ["config", "--global", "conductor.store", "~/all"]);
    let place = find(&sandbox, "linked").unwrap();
    assert_eq!((place.store, place.explicit), (sandbox.join("home/all"), true));
    // `git -c`, in both forms that git has written.
    for parameters in ["'conductor.store=/tmp/a b'", "'user.x'='1' 'conductor.store'='/tmp/a b'"] {
        sandbox.set("GIT_CONFIG_PARAMETERS", parameters);
        assert_eq!(store(&sandbox, "repo"), Path::new("/tmp/a b"), "{parameters}");
    }
    sandbox.set("GIT_CONFIG_PARAMETERS", "nonsense");
    assert_eq!(kind(find(&sandbox, "repo")), FailureKind::Git);
}
