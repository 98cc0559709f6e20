//! Tests of what a power cut can leave.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use git_conductor::store::dir::{Dir, NewFile};

use crate::explore::{Effort, cut_everywhere, explore, must_fail, must_hold};
use crate::plan::Plan;
use crate::power::each_cut;
use crate::rng::Rng;
use crate::run::Scenario;
use crate::world::{Ctx, Quiet};

/// What can be there after a cut at the end of `body`, one text a tree.
fn left(start: &Quiet, body: impl Fn(&Ctx<'_>) -> io::Result<()>) -> Vec<String> {
    let mut quiet = start.clone();
    quiet.fs.watch_power();
    quiet.run("A", body).unwrap();
    let mut left = BTreeSet::new();
    let ways = quiet.fs.cut_ways();
    let tried = each_cut(&ways, 4_096, 0, &mut Rng::new(0), |fates| {
        left.insert(quiet.after_cut(fates).fs.dump().join(", "));
        Ok::<(), ()>(())
    });
    assert_eq!(tried, Ok(ways.iter().map(|way| u64::from(*way)).product()));
    left.into_iter().collect()
}

/// Writes `file`, and carries out the steps whose letters are in `steps`: sync the file, rename it
/// to `final`, sync the directory.
fn publish(steps: &'static str) -> impl Fn(&Ctx<'_>) -> io::Result<()> {
    move |ctx| {
        let root = ctx.root();
        let mut file = root.create("file", false)?;
        file.write(b"1234")?;
        for step in steps.chars() {
            match step {
                's' => file.sync()?,
                'r' => root.rename("file", &root, "final")?,
                _ => root.sync()?,
            }
        }
        Ok(())
    }
}

#[test]
fn only_what_is_synced_survives() {
    let start = Quiet::new();
    let (no, empty, torn, whole) = ("", r#"file 1x """#, r#"file 1x "12""#, r#"file 1x "1234""#);
    assert_eq!(left(&start, publish("")), [no, empty, torn, whole]);
    assert_eq!(left(&start, publish("s")), [no, whole]);
    assert_eq!(left(&start, publish("d")), [empty, torn, whole]);
    assert_eq!(left(&start, publish("sd")), [whole]);
    let (final_empty, final_torn, final_whole) =
        (r#"final 1x """#, r#"final 1x "12""#, r#"final 1x "1234""#);
    let all = [no, empty, torn, whole, final_empty, final_torn, final_whole];
    assert_eq!(left(&start, publish("r")), all);
    assert_eq!(left(&start, publish("sr")), [no, whole, final_whole]);
    assert_eq!(left(&start, publish("sdr")), [whole, final_whole]);
    assert_eq!(left(&start, publish("srd")), [final_whole]);
    // The classical mistake: the name is durable and the content is not.
    assert_eq!(left(&start, publish("rd")), [final_empty, final_torn, final_whole]);
}

#[test]
fn replacing_gives_the_old_or_the_new_one() {
    let mut start = Quiet::new();
    start.run("setup", |ctx| ctx.root().create("final", false).unwrap().write(b"old")).unwrap();
    let old = r#"final 1x "old""#;
    let new = r#"final 1x "1234""#;
    let left = left(&start, publish("sr"));
    assert_eq!(left, [format!(r#"file 1x "1234", {old}"#), new.to_owned(), old.to_owned()]);
}

#[test]
fn a_synced_directory_needs_its_own_name() {
    let start = Quiet::new();
    let make = |sync_parent: bool, sync_inner: bool| {
        move |ctx: &Ctx<'_>| {
            let root = ctx.root();
            root.make_dir("d")?;
            let d = root.open_dir("d")?;
            d.symlink("target", "link")?;
            if sync_inner {
                d.sync()?;
            }
            if sync_parent { root.sync() } else { Ok(()) }
        }
    };
    assert_eq!(left(&start, make(false, false)), ["", "d/", "d/, d/link -> target"]);
    assert_eq!(left(&start, make(true, false)), ["d/", "d/, d/link -> target"]);
    assert_eq!(left(&start, make(false, true)), ["", "d/, d/link -> target"]);
    assert_eq!(left(&start, make(true, true)), ["d/, d/link -> target"]);
}

#[test]
fn a_rename_between_directories_is_lost_or_kept_as_a_whole() {
    let mut start = Quiet::new();
    start.run("setup", |ctx| {
        ctx.root().make_dir("a").unwrap();
        ctx.root().make_dir("b").unwrap();
        drop(ctx.root().open_dir("a").unwrap().create("f", false).unwrap());
    });
    let (before, after) = (r#"a/, a/f 1x "", b/"#, r#"a/, b/, b/g 1x """#);
    let rename = |sync: &'static str| {
        move |ctx: &Ctx<'_>| {
            let (a, b) = (ctx.root().open_dir("a")?, ctx.root().open_dir("b")?);
            a.rename("f", &b, "g")?;
            if sync.is_empty() { Ok(()) } else { ctx.root().open_dir(sync)?.sync() }
        }
    };
    assert_eq!(left(&start, rename("")), [before, after]);
    assert_eq!(left(&start, rename("a")), [after]);
    assert_eq!(left(&start, rename("b")), [after]);
    // What the second rename builds on is durable with it, and what it does not is not.
    let chain = |ctx: &Ctx<'_>| {
        let (a, b) = (ctx.root().open_dir("a")?, ctx.root().open_dir("b")?);
        drop(a.create("other", false)?);
        a.rename("f", &a, "g")?;
        a.rename("g", &b, "g")?;
        b.sync()
    };
    assert_eq!(left(&start, chain), [r#"a/, a/other 1x "", b/, b/g 1x """#, after]);
}

#[test]
fn removing_a_tree_can_stop_anywhere() {
    let mut start = Quiet::new();
    start.run("setup", |ctx| {
        ctx.root().make_dir("d").unwrap();
        drop(ctx.root().open_dir("d").unwrap().create("f", false).unwrap());
    });
    let remove = |ctx: &Ctx<'_>| {
        ctx.root().open_dir("d")?.remove_file("f")?;
        ctx.root().remove_dir("d")
    };
    assert_eq!(left(&start, remove), ["", "d/", r#"d/, d/f 1x """#]);
    let synced = |ctx: &Ctx<'_>| remove(ctx).and_then(|()| ctx.root().sync());
    assert_eq!(left(&start, synced), [""]);
}

#[test]
fn many_outcomes_are_sampled() {
    let mut seen = Vec::new();
    let tried = each_cut(&[2, 2, 3], 11, 5, &mut Rng::new(1), |fates| {
        seen.push(fates.to_vec());
        Ok::<(), ()>(())
    });
    assert_eq!(tried, Ok(seen.len() as u64));
    let fixed: [&[u8]; 6] =
        [&[0, 0, 0], &[1, 1, 1], &[0, 1, 1], &[1, 0, 1], &[1, 1, 0], &[1, 1, 2]];
    assert_eq!(seen[..6], fixed);
    assert_eq!(seen.len(), 11);
}

/// Says `published` although only some of it is durable.
fn publishing(name: &'static str, steps: &'static str) -> Scenario<io::Result<()>> {
    Scenario::new(name, Quiet::new())
        .command("A", move |ctx| {
            publish(steps)(ctx)?;
            ctx.note("published", "");
            Ok(())
        })
        .command("B", |ctx| {
            ctx.root().make_dir("d")?;
            ctx.root().sync()
        })
}

#[test]
fn a_broken_promise_is_found_and_can_be_repeated() {
    let mut check = |view: &crate::run::View<'_, io::Result<()>>, mut quiet: Quiet| {
        let promised = view.count("published") > 0;
        // The machine is up again, and everyone of before is dead.
        let content = quiet.run("C", |ctx| {
            assert_eq!(ctx.boot(), 1);
            ctx.root().read("final", 9)
        });
        let kept = content.is_ok_and(|content| content == b"1234");
        if promised && !kept { Err("promised and lost".to_owned()) } else { Ok(()) }
    };
    let effort = Effort { preemptions: 1, ..Effort::of_depth(2) };
    let plan = Plan::default();
    let right = publishing("right", "srd");
    let stats = must_hold(cut_everywhere(&right, &plan, effort, &mut check));
    assert!(stats.cuts > stats.runs * 8, "{stats:?}");
    let wrong = publishing("wrong", "sr");
    must_hold(explore(&wrong, &plan, effort));
    let failure = must_fail(cut_everywhere(&wrong, &plan, effort, &mut check), "promised and lost");
    assert_eq!(failure.replay, "wrong: A*4 cut=00");
    assert!(failure.reason.ends_with("promised and lost"), "the repetition agrees");
    // Whether B's sync comes in time for A is a matter of luck, which the explorer has not.
    let lucky = Rc::new(RefCell::new(0));
    let count = lucky.clone();
    let mut check_luck = move |view: &crate::run::View<'_, io::Result<()>>, quiet: Quiet| {
        let both = view.outcomes.iter().all(Option::is_some);
        *count.borrow_mut() += usize::from(both && quiet.fs.exists("final"));
        Ok(())
    };
    must_hold(cut_everywhere(&wrong, &plan, effort, &mut check_luck));
    assert!(*lucky.borrow() > 0);
}
