//! What is named and what stays.

use super::*;

const MARK: &str = " --agent c/1";

/// `»` is where the name must go.
#[test]
fn calls_are_named_and_nothing_else_changes() {
    for line in [
        "git conductor next» --claim",
        "  git   conductor next» --claim --json | jq -r .phase",
        "git-conductor claim» build",
        "cd ../w && git conductor complete» build --artifact notes.md 2>&1",
        "git -C ../w -c a.b=c --git-dir=x --no-pager conductor status»",
        "git conductor» --json next",
        "git conductor abort» build --reason \"it's --agent broken; git conductor next\"",
        "git conductor abort» build --reason 'git conductor next'; echo git conductor next",
        "P=$(git conductor next» --claim) && git conductor show» \"$P\" # git conductor next",
        "echo \"now: $(git conductor next»)\" > >(git conductor log»)",
        "git conductor show» \"$(git conductor next»)\"",
        "if git conductor guard»; then git push; else git conductor abort»; fi",
        "for p in a b; do git conductor show» $p; done",
        "while ! git conductor next» --claim; do sleep 5; done",
        "(git conductor next»; { git conductor status»; })",
        "cat > n.md <<'EOF'\ngit conductor next\nEOF\ngit conductor complete» a --artifact n.md",
        "cat <<-E | tee x\n\tgit conductor next\n\tE\ngit conductor next»",
        "[[ $a =~ ^(git conductor)$ && b < c ]] && git conductor next»",
        "A=1 B='x y' git conductor next»",
        "env A=1 git conductor next»",
        "timeout 90s git conductor wait» build",
        "time git conductor next»",
        "nohup git conductor wait» build &",
        "git \\\n  conductor \\\n  next» \\\n  --claim",
        "git conductor run» build -- make --agent x",
        "git conductor 'next'» --claim",
        "git conductor next» >/dev/null 2>&1 &",
        "git conductor next» &>log",
        "git conductor status --agent x; git conductor next»",
    ] {
        let plain = line.replace('»', "");
        let wanted = line.replace('»', MARK);
        assert_eq!(named(&plain, "c/1", false).as_deref(), Some(wanted.as_str()), "{plain}");
        assert_eq!(named(&wanted, "c/1", false), None, "named twice: {wanted}");
    }
    for (line, wanted) in [
        ("git conductor", "git conductor status --agent c/1"),
        ("git conductor 2>&1 | head", "git conductor status --agent c/1 2>&1 | head"),
    ] {
        assert_eq!(named(line, "c/1", false).as_deref(), Some(wanted));
    }
}

#[test]
fn what_is_no_call_for_certain_stays() {
    for line in [
        "",
        "git status",
        "git conductor-ish",
        "git log conductor",
        "git --unknown conductor next",
        "git $x conductor next",
        "$git conductor next",
        "echo git conductor next",
        "sh -c 'git conductor next'",
        "xargs git conductor show",
        "git conductor next --agent me",
        "git conductor --agent=me next",
        "GIT_CONDUCTOR_AGENT=me git conductor next",
        "export GIT_CONDUCTOR_AGENT=me; git conductor next",
        "GIT_CONDUCTOR_AGENT=me; git conductor next",
        "env NANOSTACK_AGENT=me git conductor next",
        "git() { echo; }; git conductor next",
        "alias git=hub; git conductor next",
        "eval \"$x\"; git conductor next",
        "case $x in a) git conductor next;; esac",
        "a=(git conductor next)",
        "git conductor next 'open",
        "git conductor next \"open",
        "git conductor next $(open",
        "git conductor next)",
        "git conductor next >",
        "git conductor next <<EOF\nnever closed",
        "((git conductor next))",
        "git conductor show $((1 + 1))",
        "git conductor show $'a'",
        "git conductor next\r\n",
        "git conductor next\0",
        "git conductor next `open",
    ] {
        assert_eq!(named(line, "c/1", false), None, "{line}");
    }
    let deep = format!("{}git conductor next{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(named(&deep, "c/1", false), None);
    assert_eq!(named(&format!("git conductor next {}", "x".repeat(MAX_BYTES)), "c/1", false), None);
}

#[test]
fn a_push_is_named_where_that_is_asked_for() {
    for (line, wanted) in [
        ("git push origin main", "GIT_CONDUCTOR_AGENT=c/1 git push origin main"),
        ("if git -C w push; then :; fi", "if GIT_CONDUCTOR_AGENT=c/1 git -C w push; then :; fi"),
        ("A=1 git push", "A=1 GIT_CONDUCTOR_AGENT=c/1 git push"),
    ] {
        assert_eq!(named(line, "c/1", true).as_deref(), Some(wanted));
        assert_eq!(named(line, "c/1", false), None);
        assert_eq!(named(wanted, "c/1", true), None);
    }
    for line in ["timeout 9 git push", "echo git push", "git pushy", "exec git push"] {
        assert_eq!(named(line, "c/1", true), None, "{line}");
    }
}

#[test]
fn a_name_is_one_word() {
    let line = named("git conductor next", "O'Brien $(reboot)/1", false).unwrap();
    assert_eq!(line, r"git conductor next --agent 'O'\''Brien $(reboot)/1'");
    assert_eq!(quoted(""), "''");
    assert_eq!(quoted("-x"), "'-x'");
}
